import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { loadBackend, type BackendName, type LoadedBackend, type Precision, type Purpose } from "@coordtok/backend";
import { CoordTokError, type LongCallOptions, type MemoryEstimate } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import {
  estimateMemory as estimateGeneratorMemory,
  type MemoryWork as GeneratorWork,
  type SiTConfig,
} from "@coordtok/diffusion";
import {
  CoordTok,
  estimateMemory,
  type LoadTokenizerOptions,
  type MemoryWork,
  type TokenizerConfig,
} from "@coordtok/tokenizer";
import type { FfmpegOptions } from "@coordtok/video/node";
import { looksLikeTorch } from "./convert/weights-file.js";
import { newestCheckpoint } from "./run-folder.js";
import { bytesText } from "./text.js";

/** Where to compute: a backend by name, or the best there is. */
export type BackendChoice = "auto" | BackendName;

/** The options that every function of this package has. */
export interface CommonOptions extends LongCallOptions, FfmpegOptions {
  /** Where to compute (default `auto`: native TensorFlow where it is set up, else wasm). */
  readonly backend?: BackendChoice | undefined;
  /** Precision of the native backend's matrix products in inference (default `fp32`); it is named in all that is made with `bf16`. */
  readonly precision?: Precision | undefined;
  /** Use the backend's fused operations (default: yes, unless the environment variable `COORDTOK_FUSED` is `0`). */
  readonly fused?: boolean | undefined;
  /** Replace files that exist (default false: they are an error). */
  readonly overwrite?: boolean | undefined;
  /** Called with what may be wrong, one sentence each. */
  readonly onWarning?: ((sentence: string) => void) | undefined;
  /** Called with what is worth knowing, one line each. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/** A loaded backend in a line. */
export function backendText({ name, device, fused, precision }: LoadedBackend): string {
  return `Backend ${name}: ${device}${fused.active ? `; fused operations (${fused.text})` : ""}${precision === "fp32" ? "" : `; ${precision}`}`;
}

/** The precision where it has to be named: nothing for fp32, so that files and settings made with it stay as they are. */
export function namedPrecision({ precision }: LoadedBackend): { readonly precision?: Precision } {
  return precision === "fp32" ? {} : { precision };
}

/** Loads the backend asked for and says which one it is. */
export async function prepareBackend(purpose: Purpose, options: CommonOptions): Promise<LoadedBackend> {
  const loaded = await loadBackend(options.backend ?? "auto", {
    purpose,
    fused: options.fused,
    precision: options.precision,
    signal: options.signal,
  });
  options.onNote?.(backendText(loaded));
  for (const note of loaded.notes) options.onWarning?.(note);
  return loaded;
}

/**
 * The path of a checkpoint file; a run folder stands for its newest checkpoint.
 * @throws CoordTokError `checkpoint` for a checkpoint of PyTorch, saying how to convert it.
 */
export async function resolveCheckpoint(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return newestCheckpoint(path);
  if (found?.isFile()) await refuseTorch(path);
  return path;
}

async function refuseTorch(path: string): Promise<void> {
  const source = await openFileSource(path);
  try {
    if (!(await looksLikeTorch(source))) return;
  } finally {
    await source.close();
  }
  const converted = `${basename(path, extname(path))}.safetensors`;
  throw new CoordTokError(
    "checkpoint",
    `"${path}" is a checkpoint of PyTorch; convert it once with "coordtok convert ${path} ${converted}" and give the result.`,
  );
}

/**
 * Refuses work of a tokenizer that does not fit into the memory that the backend has left.
 * @throws CoordTokError `memory` with the figures and what would fit.
 */
export function checkMemory(config: TokenizerConfig, work: MemoryWork, backend: LoadedBackend): void {
  refuseTooMuch(estimateMemory(config, work), work.task, backend);
}

/** {@link checkMemory} for a generator. */
export function checkGeneratorMemory(config: SiTConfig, work: GeneratorWork, backend: LoadedBackend): void {
  refuseTooMuch(estimateGeneratorMemory(config, work), work.task === "train" ? "train-generator" : work.task, backend);
}

function refuseTooMuch(need: MemoryEstimate, task: keyof typeof sentences, { name, freeBytes }: LoadedBackend): void {
  const free = freeBytes();
  if (free === undefined || need.totalBytes <= free) return;
  const parts = [
    `weights ${bytesText(need.weightBytes)}`,
    `activations ${bytesText(need.activationBytes)}`,
    ...(need.optimizerBytes > 0 ? [`optimizer and gradients ${bytesText(need.optimizerBytes)}`] : []),
  ];
  const [doing, wayOut] = sentences[task];
  const elsewhere = name === "tensorflow" ? "a machine with more memory" : "the backend tensorflow";
  throw new CoordTokError(
    "memory",
    `${doing} needs about ${bytesText(need.totalBytes)} (${parts.join(", ")}), but the backend ${name} has ${bytesText(free)} left; use ${wayOut}, a smaller model or ${elsewhere}.`,
  );
}

const sentences = {
  encode: ["Encoding", "fewer clips at once"],
  decode: ["Decoding", "smaller slices or fewer frames"],
  train: ["Training", "a smaller batch or fewer points"],
  "train-generator": ["Training", "a smaller batch"],
  sample: ["Sampling", "a smaller batch"],
} as const;

/** Loads the tokenizer of a checkpoint file. @throws CoordTokError `file-not-found`, `file-format`, `checkpoint`. */
export async function loadModel(path: string, options: LoadTokenizerOptions = {}): Promise<CoordTok> {
  const source = await openFileSource(path);
  try {
    return await CoordTok.load(source, options);
  } finally {
    await source.close();
  }
}
