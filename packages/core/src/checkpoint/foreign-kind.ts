/** What people put in the place of a file of weights by mistake, by its first 64 bytes; `undefined` for anything unknown. */
export function foreignKind(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start.subarray(0, 64));
  if (text.startsWith("version https://git-lfs"))
    return "a Git LFS pointer that stands for the file; download the file itself";
  if (text.startsWith("PK\x03\x04")) return "a zip file, perhaps a PyTorch checkpoint";
  if (text.startsWith("\x80\x02")) return "a Python pickle, perhaps an old PyTorch checkpoint";
  if (text.startsWith("\x89HDF\r\n")) return "an HDF5 file";
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return "a web page, perhaps the message of a failed download";
  return undefined;
}
