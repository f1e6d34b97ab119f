/** Recognises, by their first 64 bytes, files that are often mistaken for weights; returns `undefined` for anything else. */
export function foreignKind(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start.subarray(0, 64));
  if (text.startsWith("version https://git-lfs")) return "a Git LFS pointer to the file; download the file itself";
  if (text.startsWith("PK\x03\x04")) return "a zip file, perhaps a PyTorch checkpoint";
  if (text.startsWith("\x80\x02")) return "a Python pickle, perhaps an old PyTorch checkpoint";
  if (text.startsWith("\x89HDF\r\n")) return "an HDF5 file";
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return "a web page, perhaps the message of a failed download";
  return undefined;
}
