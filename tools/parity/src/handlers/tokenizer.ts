import { CoordTokError, disposeTree, renamedTensors, type TensorFile } from "@coordtok/core";
import { latticeCoordinate } from "@coordtok/triplane";
import { officialIndex } from "@coordtok/triplane/official";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import { decodePatches, encode, type TokenizerParams } from "@coordtok/tokenizer/model";
import {
  configFromOfficial,
  decodeOfficial,
  isOfficialLoss,
  paramsFromOfficial,
  type OfficialArguments,
} from "@coordtok/tokenizer/official";
import type { Tensor, Tensor5D } from "@tensorflow/tfjs-core";
import type { ParityCase, ParityHandler } from "../types.js";
import { inputName, inputPoints, inputTriplane } from "./inputs.js";

/** A tokenizer with its official arguments. */
interface Model {
  readonly config: TokenizerConfig;
  readonly params: TokenizerParams;
  /** The factor of LPIPS in the loss, which nothing but the loss depends on. */
  readonly lpipsScale: number;
}

/** Reads the model of a case. */
export async function modelOf({ config: official, weights }: ParityCase): Promise<Model> {
  const { config, lpipsScale } = argumentsOf(official);
  const stateDict = renamedTensors(weights, (name) => (isOfficialLoss(name) ? undefined : name));
  return { config, params: await paramsFromOfficial(config, stateDict), lpipsScale };
}

/** Reads all official arguments of a tokenizer. */
export function argumentsOf(official: Readonly<Record<string, unknown>>): Omit<Model, "params"> {
  const { enc_patch_type: kind = "transformer", lpips_loss_scale: scale = 0 } = official;
  if (kind !== "transformer" || typeof scale !== "number")
    throw new CoordTokError(
      "file-format",
      `Expected enc_patch_type "transformer" and a number as lpips_loss_scale in the config of the case, got ${JSON.stringify([kind, scale])}.`,
    );
  return { config: configFromOfficial(official as unknown as OfficialArguments), lpipsScale: scale };
}

/** Reads tensors by name. */
export async function readAll(file: TensorFile, names: Iterable<string>): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const name of names) tensors.set(name, await file.read(name));
  return tensors;
}

const encodeClip: ParityHandler = async (parityCase, run) => {
  const { config, params } = await modelOf(parityCase);
  const frames = (await parityCase.inputs.read(inputName(run, "vid"))) as Tensor5D;
  const validFrames = [...(await parityCase.inputs.readNumbers(inputName(run, "n_frames")))];
  const { xy, yt, xt } = encode(params.encoder, config, { frames, validFrames });
  disposeTree([params, frames]);
  return new Map([
    [`${run.name}.z_xy`, xy],
    [`${run.name}.z_yt`, yt],
    [`${run.name}.z_xt`, xt],
  ]);
};

const decodePoints: ParityHandler = async (parityCase, run) => {
  const { config, params } = await modelOf(parityCase);
  const triplane = await inputTriplane(parityCase, run, "params");
  const points = await inputPoints(parityCase, run, "input_coords");
  const output = decodePatches(params.decoder, config, triplane, points);
  disposeTree([params, triplane]);
  return new Map([[`${run.name}.output`, output]]);
};

const decodeVideo: ParityHandler = async (parityCase, run) => {
  const { config, params } = await modelOf(parityCase);
  const triplane = await inputTriplane(parityCase, run, "params");
  const {
    num_frames: frames,
    Nslice: slices,
    point_per_vid: pointsPerSlice,
  } = run.args as Record<string, number | null>;
  const clip = decodeOfficial(params.decoder, config, triplane, {
    frames: frames ?? undefined,
    slices: slices ?? undefined,
    pointsPerSlice: pointsPerSlice ?? undefined,
  });
  disposeTree([params, triplane]);
  return new Map([[`${run.name}.video`, clip.frames]]);
};

const coordinateIndex: ParityHandler = ({ config }) => {
  const { n_min: first, n_max: last } = config as { n_min: number; n_max: number };
  const lower: { n: number[]; index: number[] } = { n: [], index: [] };
  for (let n = first; n <= last; n++)
    for (let i = 0; i < n; i++)
      if (officialIndex(latticeCoordinate(i, n), n) !== i) {
        lower.n.push(n);
        lower.index.push(i);
      }
  return Promise.resolve(new Map(Object.entries(lower)));
};

/** The handlers of the `tokenizer/*` kinds that need no gradient. */
export const tokenizerHandlers: { readonly [kind: string]: ParityHandler } = {
  "tokenizer/encode": encodeClip,
  "tokenizer/decode-points": decodePoints,
  "tokenizer/decode-video": decodeVideo,
  "tokenizer/coordinate-index": coordinateIndex,
};
