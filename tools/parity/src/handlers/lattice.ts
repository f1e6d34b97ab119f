import { clipFromRgb, CoordTokError, disposeTree, type Clip, type RgbClip } from "@coordtok/core";
import { lossAndGradients } from "@coordtok/core/train";
import type { Budget, LatticeConfig } from "@coordtok/tokenizer";
import {
  decodeLattice,
  encodeLattice,
  keepChannels,
  latticeConfigFromReference,
  latticeFromStateDict,
  stateDictFromLattice,
  type LatticeParams,
  type ReferenceConfig,
} from "@coordtok/tokenizer/lattice";
import { latticeLoss, withLinearStart } from "@coordtok/tokenizer/train";
import { planeNames, type Triplane } from "@coordtok/triplane";
import { abs, reshape, type Tensor } from "@tensorflow/tfjs-core";
import type { ParityCase, ParityHandler } from "../types.js";

interface Model {
  readonly config: LatticeConfig;
  readonly params: LatticeParams;
}

/** Reads the model of a case. Its weights must be complete, without extra tensors. */
async function modelOf({ config: stored, weights }: ParityCase): Promise<Model> {
  const config = latticeConfigFromReference(stored as unknown as ReferenceConfig);
  return { config, params: await latticeFromStateDict(config, weights) };
}

/** Reads the 8-bit clips of a case. */
async function bytesOf({ inputs }: ParityCase): Promise<RgbClip[]> {
  const [clips, frameCount, height, width] = inputs.entries.get("clip")!.shape as [number, number, number, number];
  const bytes = await inputs.readBytes("clip");
  const size = frameCount * height * width * 3;
  return Array.from({ length: clips }, (_, i) => ({
    data: bytes.slice(i * size, (i + 1) * size),
    frameCount,
    height,
    width,
  }));
}

/** Reads the clips of a case in model range. */
async function clipOf(parityCase: ParityCase): Promise<Clip> {
  return clipFromRgb(await bytesOf(parityCase));
}

/** Reads a number of a case or run. */
function numberOf(facts: Readonly<Record<string, unknown>>, name: string): number {
  const value = facts[name];
  if (typeof value !== "number") throw new CoordTokError("file-format", `Expected a number for "${name}" in the case.`);
  return value;
}

function budgetOf(facts: Readonly<Record<string, unknown>>): Budget {
  return { content: numberOf(facts, "content"), motion: numberOf(facts, "motion") };
}

const encodeClip: ParityHandler = async (parityCase) => {
  const { config, params } = await modelOf(parityCase);
  const clip = await clipOf(parityCase);
  const triplane = encodeLattice(params.encoder, config, clip);
  disposeTree([params, clip.frames]);
  return new Map(Object.entries(triplane));
};

const decodeClip: ParityHandler = async (parityCase, run) => {
  const { config, params } = await modelOf(parityCase);
  const [xy, yt, xt] = await Promise.all(planeNames.map((name) => parityCase.inputs.read(name)));
  const stored = { xy, yt, xt } as Triplane;
  const triplane = keepChannels(stored, budgetOf(run.facts));
  const blocks = run.facts["blocks"] as readonly number[];
  const times = blocks.flatMap((block) => [0, 1, 2, 3].map((frame) => 4 * block + frame));
  const { frames } = await decodeLattice(params.decoder, config, triplane, { times });
  disposeTree([params, stored, triplane]);
  return new Map([[run.name, frames]]);
};

const gradient: ParityHandler = async (parityCase) => {
  const { config, params } = await modelOf(parityCase);
  const clip = await clipOf(parityCase);
  const budget = budgetOf(parityCase.facts);
  const { loss, gradients } = lossAndGradients(params, (leaves) => latticeLoss(leaves, config, clip, { budget }));
  const outputs = new Map<string, Tensor>([["loss", reshape(loss, [1])]]);
  for (const [name, tensor] of await stateDictFromLattice(config, gradients)) outputs.set(`d.${name}`, tensor);
  disposeTree([params, clip.frames, loss, gradients]);
  return outputs;
};

/** Computes the closed-form start. The signs of components are arbitrary, so the planes are compared by magnitude. */
const linearStart: ParityHandler = async (parityCase) => {
  const { config, params } = await modelOf(parityCase);
  const started = await withLinearStart(config, params, await bytesOf(parityCase));
  const clip = await clipOf(parityCase);
  const triplane = encodeLattice(started.encoder, config, clip);
  const kept = keepChannels(triplane, { content: 4, motion: 2 });
  const video = await decodeLattice(started.decoder, config, triplane);
  const budget = await decodeLattice(started.decoder, config, kept);
  const outputs = new Map<string, Tensor>([
    ["video", video.frames],
    ["budget", budget.frames],
  ]);
  for (const plane of planeNames) outputs.set(`abs.${plane}`, abs(triplane[plane]));
  disposeTree([params, started, clip.frames, triplane, kept]);
  return outputs;
};

/** The handlers of the `lattice/*` kinds. */
export const latticeHandlers: { readonly [kind: string]: ParityHandler } = {
  "lattice/encode": encodeClip,
  "lattice/decode": decodeClip,
  "lattice/gradient": gradient,
  "lattice/linear-start": linearStart,
};
