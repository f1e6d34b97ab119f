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

/** Where to compute: a backend by name, or the best there is. */
export type BackendChoice = "auto" | BackendName;

/** Which backend computes, and how. */
export interface BackendOptions {
  /** Where to compute (default `auto`: native TensorFlow where it is set up, else a graphics card by WebGPU, else wasm). */
  readonly backend?: BackendChoice | undefined;
  /** Precision of the native backend's matrix products in inference (default `fp32`); it is named in all that is made with `bf16`. */
  readonly precision?: Precision | undefined;
  /** Use the backend's fused operations (default: yes, unless the environment variable `COORDTOK_FUSED` is `0`). */
  readonly fused?: boolean | undefined;
}

/** A loaded backend in a line. */
export function backendText({ name, device, fused, precision }: LoadedBackend): string {
  return `Backend ${name}: ${device}${fused.active ? `; fused operations (${fused.text})` : ""}${precision === "fp32" ? "" : `; ${precision}`}`;
}

/** The precision where it has to be named: nothing for fp32, so that files and settings made with it stay as they are. */
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

/** Loads the backend asked for and says which one it is. */
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
