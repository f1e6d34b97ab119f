import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import {
  checkFiniteWeights,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  throwIfAborted,
  type LongCallOptions,
} from "@coordtok/core";
import { fileReadError, openFileSource, sha256OfFile } from "@coordtok/core/node";
import { findStateDicts, openTorch } from "@coordtok/core/torch";
import type { Tensor } from "@tensorflow/tfjs-core";
import { i3dParamsFromStateDict, i3dWeightShapes, type I3dParams } from "../fvd/i3d-params.js";
import { lpipsParamsFromStateDict, type LpipsParams } from "../lpips/params.js";
import { squeezenetFromNcnn } from "../lpips/squeezenet-ncnn.js";
import { i3dWeightFile, lpipsWeightFiles, type LpipsWeightsName } from "../weights.js";
import { downloadCommand, findWeights, type FoundWeights } from "./find-weights.js";

/** A network with its weights, and the files they came from. */
export interface LoadedWeights<P> {
  /** The weights, owned by the caller; free them with `disposeLpipsParams` or `disposeI3dParams`. */
  readonly params: P;
  /** The files that were read. */
  readonly files: readonly FoundWeights[];
}

/**
 * Loads the weights of LPIPS v0.1 from published files in a folder, those of {@link lpipsWeightFiles}, and checks their SHA-256.
 * @param folder the folder of the files, or of the folders that hold them.
 * @throws CoordTokError `file-not-found`, with the command that downloads the missing files; `checkpoint` for other content; `aborted`.
 */
export async function loadLpips(
  network: LpipsWeightsName,
  folder: string,
  options: LongCallOptions = {},
): Promise<LoadedWeights<LpipsParams>> {
  checkOptions(options, longCallOptionNames, "loadLpips");
  const files = await findWeights(lpipsWeightFiles(network), folder, options);
  const tensors = new Map<string, Tensor>();
  try {
    for (const { path, file } of files) {
      throwIfAborted(options.signal);
      const part =
        file?.format === "ncnn"
          ? squeezenetFromNcnn(await readFile(path))
          : await readTorch(path, (name) => name.startsWith("features.") || /^lins?\.?\d+\./.test(name));
      for (const [name, tensor] of part) tensors.set(name, tensor);
    }
    return { params: lpipsParamsFromStateDict(tensors), files };
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

/**
 * Loads the weights of I3D from a PyTorch file: the published one ({@link i3dWeightFile}), or another with tensors of the same names, for
 * which the result names no published file.
 * @throws CoordTokError `file-not-found`, with the command that downloads the published file; `checkpoint` if the tensors do not fit, or if
 * a file of the published name has other content; `file-format`; `aborted`.
 */
export async function loadI3d(path: string, options: LongCallOptions = {}): Promise<LoadedWeights<I3dParams>> {
  checkOptions(options, longCallOptionNames, "loadI3d");
  const sha256 = await sha256OfFile(path, options).catch((thrown: unknown) => {
    const error = fileReadError(thrown, path);
    if (error.code !== "file-not-found") throw error;
    throw new CoordTokError(
      "file-not-found",
      `There is no file "${path}"; get the weights of I3D with: ${downloadCommand(i3dWeightFile, path)}`,
      { cause: thrown },
    );
  });
  const known = sha256 === i3dWeightFile.sha256;
  if (!known && basename(path) === i3dWeightFile.name)
    throw new CoordTokError(
      "checkpoint",
      `"${path}" is not the published ${i3dWeightFile.name}: its SHA-256 is ${sha256}, expected ${i3dWeightFile.sha256}; rename it if it is meant to be another port.`,
    );
  const expected = i3dWeightShapes();
  const checkNames = (names: readonly string[]): void => {
    if (!names.some((name) => expected.has(name))) throw notI3d(path, names);
  };
  const tensors = await readTorch(path, (name) => !name.endsWith(".num_batches_tracked"), checkNames);
  try {
    return {
      params: i3dParamsFromStateDict(tensors),
      files: [{ path, sha256, file: known ? i3dWeightFile : undefined }],
    };
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

function notI3d(path: string, [first = "nothing"]: readonly string[]): CoordTokError {
  return new CoordTokError(
    "checkpoint",
    `Expected the weights of I3D as in ${i3dWeightFile.name}, but "${path}" holds other tensors, such as "${first}"; get the published file with: ${downloadCommand(i3dWeightFile, path)}`,
  );
}

/** Reads the tensors of a PyTorch file whose names are wanted; `checkNames` receives all names before anything is read. */
async function readTorch(
  path: string,
  isWanted: (name: string) => boolean,
  checkNames: (names: readonly string[]) => void = () => undefined,
): Promise<Map<string, Tensor>> {
  await using source = await openFileSource(path);
  const file = await openTorch(source);
  const [dict] = findStateDicts(file.root);
  if (!dict) throw new CoordTokError("checkpoint", `Expected a state dict in "${path}", found none.`);
  checkNames([...dict.tensors.keys()]);
  const reader = file.tensors(dict.tensors);
  const tensors = new Map<string, Tensor>();
  try {
    for (const name of dict.tensors.keys()) {
      if (!isWanted(name)) continue;
      const tensor = await reader.read(name);
      tensors.set(name, tensor);
      await checkFiniteWeights(name, tensor, `"${path}"`);
    }
    return tensors;
  } catch (thrown) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw thrown;
  }
}
