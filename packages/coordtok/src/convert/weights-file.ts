import { checkpointKind, openSafetensors, renamedTensors, type SafetensorsFile, type TensorFile } from "@coordtok/core";
import type { FileSource } from "@coordtok/core/node";
import { findStateDicts, looksLikeTorch, openTorch, type TorchFile } from "@coordtok/core/torch";

/** A file of weights whose tensors have not been read. */
export type WeightsFile =
  | { readonly format: "ours"; readonly kind: string; readonly file: SafetensorsFile }
  | { readonly format: "safetensors"; readonly file: SafetensorsFile }
  | { readonly format: "torch"; readonly torch: TorchFile };

/** Whether a file name has an extension that PyTorch checkpoints usually have. */
export function isTorchName(path: string): boolean {
  return /\.(pth|pt|ckpt|bin|tar)$/i.test(path);
}

/** Opens a PyTorch checkpoint, a safetensors file from another program, or one of our own checkpoints, whatever its file name. */
export async function openWeights(source: FileSource): Promise<WeightsFile> {
  if ((await looksLikeTorch(source)) || (isTorchName(source.path) && source.size < 9))
    return { format: "torch", torch: await openTorch(source) };
  const isUnknown = isTorchName(source.path) && !(await startsLikeSafetensors(source));
  if (isUnknown) return { format: "torch", torch: await openTorch(source) };
  const file = await openSafetensors(source);
  const kind = checkpointKind(file);
  return kind === undefined ? { format: "safetensors", file } : { format: "ours", kind, file };
}

async function startsLikeSafetensors(source: FileSource): Promise<boolean> {
  return source.size > 8 && (await source.read(8, 1))[0] === 0x7b;
}

/** One set of weights in a file. */
export interface WeightsChoice {
  /** Its path within the file, for example `ema` or `checkpoint.model`; empty when it is the whole file. */
  readonly place: string;
  /** Its tensors, without the prefixes that PyTorch wrappers put before every name. */
  readonly stateDict: TensorFile;
}

const wrappers = ["module.", "_orig_mod."];

/** All sets of weights in a file from another program. */
export function choicesOf(weights: Exclude<WeightsFile, { format: "ours" }>): WeightsChoice[] {
  if (weights.format === "safetensors") return [{ place: "", stateDict: withoutWrappers(weights.file) }];
  const { torch } = weights;
  return findStateDicts(torch.root).map(({ path, tensors }) => ({
    place: path.join("."),
    stateDict: withoutWrappers(torch.tensors(tensors)),
  }));
}

function withoutWrappers(file: TensorFile): TensorFile {
  const names = [...file.entries.keys()];
  let prefix = "";
  for (let more = true; more;) {
    const next = wrappers.find((wrapper) => names.every((name) => name.startsWith(prefix + wrapper)));
    more = names.length > 0 && next !== undefined;
    prefix += more ? next! : "";
  }
  return prefix === "" ? file : renamedTensors(file, (name) => name.slice(prefix.length));
}
