import { disposeTree, treeMap } from "@coordtok/core";
import { gatherRows } from "@coordtok/core/nn";
import { emaUpdate } from "@coordtok/core/train";
import type { SiTConfig } from "@coordtok/diffusion";
import { dropLabels, noClass, sinCosPositions, sit, timeEmbedding, type SiTParams } from "@coordtok/diffusion/model";
import { configFromOfficial, paramsFromOfficial, type OfficialArguments } from "@coordtok/diffusion/official";
import { planeNames, type NormalizedTriplane, type Triplane } from "@coordtok/triplane";
import { transpose, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import type { ParityCase, ParityHandler, ParityRun } from "../types.js";
import { inputName, inputTriplane, withoutPrefix } from "./inputs.js";
import { readAll } from "./tokenizer.js";

/** Reads the diffusion model of a case. `prefix` precedes its official names. */
export async function diffusionModelOf(
  { config: facts, weights }: ParityCase,
  official: unknown = facts,
  prefix = "",
): Promise<{ config: SiTConfig; params: SiTParams }> {
  const config = configFromOfficial(official as OfficialArguments);
  return { config, params: await paramsFromOfficial(config, withoutPrefix(weights, prefix)) };
}

/** Converts official planes, channels first `[B, C, outer, inner]`, to ours, channels last. Frees its argument. */
export function channelsLast(planes: Triplane): NormalizedTriplane {
  const turned = treeMap(planes, (plane) => transpose(plane, [0, 2, 3, 1]));
  disposeTree(planes);
  return turned as NormalizedTriplane;
}

/** The inverse of {@link channelsLast}. Frees its argument. */
export function channelsFirst(planes: Triplane): Triplane {
  const turned = treeMap(planes, (plane) => transpose(plane, [0, 3, 1, 2]));
  disposeTree(planes);
  return turned;
}

/** Reads the planes that a run names for a role, channels last. */
export async function inputPlanes(parityCase: ParityCase, run: ParityRun, role: string): Promise<NormalizedTriplane> {
  return channelsLast(await inputTriplane(parityCase, run, role));
}

/** Reads the numbers that a run names for a role. */
export async function inputNumbers({ inputs }: ParityCase, run: ParityRun, role: string): Promise<ArrayLike<number>> {
  return inputs.readNumbers(inputName(run, role));
}

/** The planes of a result, named `<prefix><plane>`, channels first. */
export function planeOutputs(prefix: string, planes: Triplane): Map<string, Tensor> {
  const first = channelsFirst(planes);
  return new Map(planeNames.map((plane) => [prefix + plane, first[plane]]));
}

const sitForward: ParityHandler = async (parityCase, run) => {
  const { config, params } = await diffusionModelOf(parityCase);
  const planes = await inputPlanes(parityCase, run, "x");
  const [times, labels] = await Promise.all(["t", "y"].map((role) => inputNumbers(parityCase, run, role)));
  const output = sit(params, config, planes, times!, labels!);
  disposeTree([params, planes]);
  return planeOutputs(`${run.name}.out_`, output);
};

const timestepEmbedding: ParityHandler = async (parityCase, run) => {
  const { dim, max_period: period } = run.args as { dim: number; max_period: number };
  return new Map([[run.name, timeEmbedding(await inputNumbers(parityCase, run, "t"), dim, period)]]);
};

const sincosPosition: ParityHandler = (_, run) => {
  const { embed_dim: width, grid_size: side } = run.args as { embed_dim: number; grid_size: number };
  return Promise.resolve(new Map([[run.name, sinCosPositions(side, side, width)]]));
};

const labelEmbedding: ParityHandler = async (parityCase, run) => {
  const { num_classes, hidden_size, dropout_prob } = parityCase.config as Record<string, number>;
  const config = configFromOfficial({
    input_size: [1, 1],
    patch_size: 1,
    in_channels: 1,
    hidden_size: hidden_size!,
    depth: 1,
    num_heads: 1,
    mlp_ratio: 1,
    class_dropout_prob: dropout_prob!,
    num_classes: num_classes!,
    learn_sigma: false,
  });
  let labels: ArrayLike<number> = await inputNumbers(parityCase, run, "labels");
  if (run.inputs["force_drop_ids"] !== undefined) {
    const forced = await inputNumbers(parityCase, run, "force_drop_ids");
    labels = Array.from(labels, (label, i) => (forced[i] === 1 ? noClass(config) : label));
  }
  if (run.inputs["rand"] !== undefined) {
    const drawn = [...Array.from(await inputNumbers(parityCase, run, "rand"))];
    labels = dropLabels(labels, config, { uniform: () => drawn.shift()! });
  }
  const table = (await parityCase.weights.read([...parityCase.weights.entries.keys()][0]!)) as Tensor2D;
  const rows = gatherRows(table, Int32Array.from(labels));
  table.dispose();
  return new Map([[run.name, rows]]);
};

const ema: ParityHandler = async (parityCase, run) => {
  const { decay } = run.args as { decay: number };
  const names = (parityCase.config as { params: string[] }).params;
  const start = await readAll(
    parityCase.weights,
    names.map((name) => `ema.${name}`),
  );
  let average = names.map((name) => start.get(`ema.${name}`)!);
  for (const state of run.inputs["model_states"] as string[][]) {
    const model = [...(await readAll(parityCase.inputs, state)).values()];
    const next = emaUpdate(average, model, decay);
    disposeTree([model, average]);
    average = next;
  }
  return new Map(names.map((name, i) => [`${run.name}.${name}`, average[i]!]));
};

/** The handlers of the `diffusion/*` kinds for the model itself. */
export const diffusionModelHandlers: { readonly [kind: string]: ParityHandler } = {
  "diffusion/sit-forward": sitForward,
  "diffusion/timestep-embedding": timestepEmbedding,
  "diffusion/sincos-position": sincosPosition,
  "diffusion/label-embedding": labelEmbedding,
  "diffusion/ema": ema,
};
