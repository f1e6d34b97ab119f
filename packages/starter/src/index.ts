/**
 * The place of the weights that are best where planes are kept as numbers: triplane files, datasets, generation. 12.4 MB, int8; a file URL in
 * Node, an asset in a bundle.
 */
export const starter: URL = new URL("../weights/starter.safetensors", import.meta.url);

/** The place of the weights that are best where planes are rounded and coded into few bytes; otherwise as {@link starter}. */
export const starterBytes: URL = new URL("../weights/starter-bytes.safetensors", import.meta.url);
