/**
 * The URL of the weights for planes that are kept as numbers: triplane files, datasets, generation. 12.4 MB, int8; a file URL in
 * Node, an asset in a bundle.
 */
export const starter: URL = new URL("../weights/starter.safetensors", import.meta.url);

/** The URL of the weights for planes that are rounded and coded in few bytes; otherwise as {@link starter}. */
export const starterBytes: URL = new URL("../weights/starter-bytes.safetensors", import.meta.url);
