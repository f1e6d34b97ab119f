import { backendOptionNames, type BackendOptions, type LoadedBackend } from "@coordtok/backend";
import { CoordTokError, type OptionNames } from "@coordtok/core";
import type { MemoryEstimate } from "@coordtok/core/nn";
import type { OverwriteOption } from "@coordtok/core/node";
import { bytesText } from "@coordtok/core/text";
import {
  estimateMemory as estimateGeneratorMemory,
  type MemoryWork as GeneratorWork,
  type SiTConfig,
} from "@coordtok/diffusion";
import { estimateMemory, type LatticeConfig, type MemoryWork, type TokenizerConfig } from "@coordtok/tokenizer";
import { estimateLatticeMemory, type LatticeMemoryWork } from "@coordtok/tokenizer/lattice";
import { namingOptionNames, type NamingOptions } from "./models/naming-options.js";
import { ffmpegOptionNames, type FfmpegOptions } from "@coordtok/video/node";

/** The options that every function of this package has. */
export interface CommonOptions extends NamingOptions, OverwriteOption, BackendOptions, FfmpegOptions {}

/** The names of {@link CommonOptions}. */
export const commonOptionNames: OptionNames<CommonOptions> = {
  ...backendOptionNames,
  ...ffmpegOptionNames,
  ...namingOptionNames,
  overwrite: true,
};

/**
 * Throws when work of a tokenizer does not fit into the memory that the backend has left.
 * @param readingBytes what reading videos takes meanwhile.
 * @returns the estimate in bytes.
 * @throws CoordTokError `memory` with the figures and alternatives.
 */
export function checkMemory(
  config: TokenizerConfig,
  work: MemoryWork,
  backend: LoadedBackend,
  readingBytes = 0,
): number {
  return refuseTooMuch(estimateMemory(config, work), work.task, backend, readingBytes);
}

/** Does what {@link checkMemory} does, for a tokenizer of the lattice form. */
export function checkLatticeMemory(
  config: LatticeConfig,
  work: LatticeMemoryWork,
  backend: LoadedBackend,
  readingBytes = 0,
): number {
  return refuseTooMuch(estimateLatticeMemory(config, work), `${work.task}-lattice`, backend, readingBytes);
}

/** Does what {@link checkMemory} does, for a generator. */
export function checkGeneratorMemory(config: SiTConfig, work: GeneratorWork, backend: LoadedBackend): void {
  refuseTooMuch(estimateGeneratorMemory(config, work), work.task === "train" ? "train-generator" : work.task, backend);
}

function refuseTooMuch(
  need: MemoryEstimate,
  task: keyof typeof sentences,
  { name, freeBytes }: LoadedBackend,
  readingBytes = 0,
): number {
  const free = freeBytes();
  // The heap of wasm holds tensors alone.
  const reading = name === "wasm" ? 0 : readingBytes;
  const totalBytes = need.totalBytes + reading;
  if (free === undefined || totalBytes <= free) return totalBytes;
  const parts = [
    `weights ${bytesText(need.weightBytes)}`,
    `activations ${bytesText(need.activationBytes)}`,
    ...(need.optimizerBytes > 0 ? [`optimizer and gradients ${bytesText(need.optimizerBytes)}`] : []),
    ...(reading > 0 ? [`reading videos ${bytesText(reading)}`] : []),
  ];
  const [doing, wayOut] = sentences[task];
  const elsewhere = name === "tensorflow" ? "a machine with more memory" : "the backend tensorflow";
  throw new CoordTokError(
    "memory",
    `${doing} needs about ${bytesText(totalBytes)} (${parts.join(", ")}), but the backend ${name} has ${bytesText(free)} left; use ${wayOut}, a smaller model or ${elsewhere}.`,
  );
}

const sentences = {
  encode: ["Encoding", "fewer clips at once"],
  decode: ["Decoding", "smaller slices or fewer frames"],
  "encode-lattice": ["Encoding", "smaller frames or shorter windows"],
  "decode-lattice": ["Decoding", "smaller frames or shorter windows"],
  refine: ["Refinement", "no refinement"],
  "refine-lattice": ["Refinement", "smaller frames, shorter windows or no refinement"],
  train: ["Training", "a smaller batch or fewer points"],
  "train-lattice": ["Training", "fewer or smaller windows"],
  "train-generator": ["Training", "a smaller batch"],
  sample: ["Sampling", "a smaller batch"],
} as const;
