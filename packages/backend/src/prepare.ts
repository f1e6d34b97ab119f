import {
  checkOptions,
  longCallOptionNames,
  type LongCallOptions,
  type Notices,
  type OptionNames,
} from "@coordtok/core";
import type { BackendName } from "./catalogue.js";
import { loadBackend, type LoadedBackend } from "./load.js";
import type { Precision } from "./precision.js";
import type { Purpose } from "./requirements.js";

/** A backend by name, or `auto` for the best available one. */
export type BackendChoice = "auto" | BackendName;

/** The options that choose a backend. */
export interface BackendOptions {
  /** The backend (default `auto`: native TensorFlow if it is set up, otherwise a graphics card through WebGPU, otherwise wasm). */
  readonly backend?: BackendChoice | undefined;
  /** The precision of the native backend's matrix products in inference (default `fp32`); everything made with `bf16` records it. */
  readonly precision?: Precision | undefined;
  /** Whether to use the backend's fused operations (default: yes, unless the environment variable `COORDTOK_FUSED` is `0`). */
  readonly fused?: boolean | undefined;
}

/** Describes a loaded backend in one line. */
export function backendText({ name, device, fused, precision }: LoadedBackend): string {
  return `Backend ${name}: ${device}${fused.active ? `; fused operations (${fused.text})` : ""}${precision === "fp32" ? "" : `; ${precision}`}`;
}

/** Returns the precision to record: nothing for fp32, so that files and settings made with fp32 do not change. */
export function namedPrecision({ precision }: LoadedBackend): { readonly precision?: Precision } {
  return precision === "fp32" ? {} : { precision };
}

/** The names of the options of {@link prepareBackend}. */
export const backendOptionNames: OptionNames<BackendOptions & LongCallOptions & Notices> = {
  ...longCallOptionNames,
  backend: true,
  precision: true,
  fused: true,
  onWarning: true,
  onNote: true,
};

/** Loads the chosen backend and reports which one it is, by `onNote` and `onWarning`. Errors are those of `loadBackend`. */
export async function prepareBackend(
  purpose: Purpose,
  options: BackendOptions & LongCallOptions & Notices,
): Promise<LoadedBackend> {
  checkOptions(options, backendOptionNames, "prepareBackend");
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
