import type { LoadedBackend } from "@coordtok/backend";
import { packageVersion, sha256OfFile } from "@coordtok/core/node";
import { i3dWeightFile } from "@coordtok/metrics";
import { disposeI3dParams, type I3dOutput } from "@coordtok/metrics/networks";
import { loadI3d, type FoundWeights, defaultWeightsFolder } from "@coordtok/metrics/node";
import { join } from "node:path";
import type { LeftOut } from "./clip-plan.js";
import type { FeatureNetwork } from "./measure-clip.js";
import type { EvaluateOptions } from "./options.js";
import type { NamedProtocol } from "./protocol.js";
import type { EvaluationEnvironment, UsedFile } from "./settings.js";

/** Describes what a run computes with, for the report. */
export function environmentOf(
  { name: backend, device, versions }: LoadedBackend,
  leftOut: readonly LeftOut[],
): EvaluationEnvironment {
  return {
    coordtok: packageVersion("@coordtok/evaluation", import.meta.url),
    node: process.version,
    backend,
    device,
    versions,
    leftOut,
  };
}

/** The SHA-256 of a file that is used. */
export async function usedFile(path: string, signal: AbortSignal | undefined): Promise<UsedFile> {
  return { file: path, sha256: await sha256OfFile(path, { signal }) };
}

/** The files of weights for the settings: by their published names, wherever they are stored. */
export function usedWeights(files: readonly FoundWeights[]): UsedFile[] {
  return files.map(({ path, sha256, file }) => ({ file: file?.name ?? path, sha256 }));
}

/** I3D, ready to compute features. */
export interface LoadedFeatures {
  readonly network: FeatureNetwork;
  readonly files: readonly UsedFile[];
  readonly known: boolean;
  dispose(): void;
}

/** Loads I3D as the options ask for. @throws CoordTokError like `loadI3d`. */
export async function loadFeatures(
  output: I3dOutput,
  protocol: NamedProtocol,
  options: EvaluateOptions,
): Promise<LoadedFeatures> {
  const path = options.i3d ?? join(options.weights ?? defaultWeightsFolder, i3dWeightFile.name);
  const { params, files } = await loadI3d(path, { signal: options.signal });
  return {
    network: { params, output, windowLength: protocol.fvdWindow },
    files: usedWeights(files),
    known: files.every(({ file }) => file !== undefined),
    dispose: () => disposeI3dParams(params),
  };
}

/** Describes how feature vectors are computed, for reports and files of statistics. */
export function featuresMade(output: I3dOutput, windowLength: number, { known, files }: LoadedFeatures): string {
  const which = known ? i3dWeightFile.what : `I3D of an unknown file, SHA-256 ${files[0]!.sha256}`;
  const layer = output === "logits" ? "400 logits" : "1024 pooled features";
  return `${layer} of ${which}; windows of ${windowLength} frames one after the other, a rest dropped; frames resized bilinearly to 224 and cropped; unbiased covariances in double precision`;
}
