import { addTable, isRecording, linear, mlp, patchify, selfAttention, unpatchify } from "@coordtok/core/nn";
import {
  mapPlanes,
  planeNames,
  triplaneShape,
  type NormalizedTriplane,
  type PlaneName,
  type Triplane,
} from "@coordtok/triplane";
import {
  add,
  concat,
  reshape,
  slice,
  split,
  tensor2d,
  tidy,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { condition, silu } from "./conditioning.js";
import { checkPlanes, timePositionGrid, tokenGrid, type SiTConfig } from "../config.js";
import { canFuseBlocks, fusedSitBlock } from "./fused-block.js";
import { gatedAdd, modulatedNorm } from "./modulation.js";
import type { SiTBlockParams, SiTOutputParams, SiTParams } from "./params.js";
import { sinCosPositions } from "./position.js";

/**
 * Computes the model's prediction (velocity, noise or score) for noisy triplanes (`docs/spec.md#sit`).
 * @param planes B noisy triplanes of the model's size.
 * @param times B times: 0 is noise, 1 is data.
 * @param labels B classes, 0 to classes-1, or `noClass(config)`.
 * @returns planes of the same shapes as `planes`, owned by the caller.
 * @throws CoordTokError `shape` for triplanes of another size, `input` for labels that the model does not know.
 */
export function sit(
  params: SiTParams,
  config: SiTConfig,
  planes: NormalizedTriplane,
  times: ArrayLike<number>,
  labels: ArrayLike<number>,
): NormalizedTriplane {
  checkPlanes(config, triplaneShape(planes), times.length);
  return tidy(() => {
    const signal = silu(condition(params.conditioning, config, times, labels));
    let tokens = addTable(tokensOfPlanes(params, config, planes), positions(params, config));
    for (const block of params.blocks) {
      const before = tokens;
      tokens = sitBlock(block, tokens, signal, config.heads);
      if (!isRecording()) before.dispose();
    }
    return planesOfTokens(params, config, tokens, signal) as NormalizedTriplane;
  });
}

function tokensOfPlanes(params: SiTParams, { patch }: SiTConfig, planes: Triplane): Tensor3D {
  return concat(
    planeNames.map((plane) => {
      const [clips, outer, inner, channels] = planes[plane].shape;
      const cells = patchify(reshape(planes[plane], [clips, 1, outer, inner, channels]), { time: 1, space: patch });
      return linear(params.patches[plane], cells);
    }),
    1,
  );
}

/** The positions added to every sequence, `[N, E]`: fixed ones on the first plane, learned ones on those along time, and plane types. */
function positions(params: SiTParams, config: SiTConfig): Tensor2D {
  const { width } = config;
  return concat(
    planeNames.map((plane, i): Tensor2D => {
      const [outer, inner] = tokenGrid(config, plane);
      const own =
        plane === "xy"
          ? tensor2d(Float32Array.from(sinCosPositions(outer, inner, width)), [outer * inner, width])
          : timePositions(params, config, inner);
      return add(own, slice(params.planeTypes, [i, 0], [1, width]));
    }),
  );
}

/** The shared positions of a plane along time. When rows and columns differ, the shorter side uses the first positions of each time. */
function timePositions({ timePositions: table }: SiTParams, config: SiTConfig, inner: number): Tensor2D {
  const [time, space] = timePositionGrid(config);
  if (inner === space) return table;
  const grid: Tensor3D = reshape(table, [time, space, config.width]);
  return reshape(slice(grid, [0, 0, 0], [time, inner, config.width]), [time * inner, config.width]);
}

function sitBlock(params: SiTBlockParams, x: Tensor3D, signal: Tensor2D, heads: number): Tensor3D {
  if (canFuseBlocks()) return fusedSitBlock(params, x, signal, heads);
  return tidy(() => {
    const [shift, scale, gate, mlpShift, mlpScale, mlpGate] = split(linear(params.modulation, signal), 6, 1) as [
      Tensor2D,
      Tensor2D,
      Tensor2D,
      Tensor2D,
      Tensor2D,
      Tensor2D,
    ];
    const packed = linear(params.attention.queryKeyValue, modulatedNorm(x, shift, scale));
    const attended = gatedAdd(x, linear(params.attention.output, selfAttention(packed, heads)), gate);
    return gatedAdd(attended, mlp(params.mlp, modulatedNorm(attended, mlpShift, mlpScale), "tanh"), mlpGate);
  });
}

function planesOfTokens(params: SiTParams, config: SiTConfig, tokens: Tensor3D, signal: Tensor2D): Triplane {
  const [clips, , width] = tokens.shape;
  let first = 0;
  return mapPlanes((plane) => {
    const [outer, inner] = tokenGrid(config, plane);
    const own: Tensor3D = slice(tokens, [0, first, 0], [clips, outer * inner, width]);
    first += outer * inner;
    return planeOfTokens(params.outputs[plane], config, own, plane, signal);
  });
}

function planeOfTokens(
  params: SiTOutputParams,
  config: SiTConfig,
  tokens: Tensor3D,
  plane: PlaneName,
  signal: Tensor2D,
): Tensor4D {
  const { patch, planes } = config;
  const [clips, count] = tokens.shape;
  const [outer, inner] = tokenGrid(config, plane);
  const [shift, scale] = split(linear(params.modulation, signal), 2, 1) as [Tensor2D, Tensor2D];
  const values = linear(params.cells, modulatedNorm(tokens, shift, scale));
  const size = { frames: 1, height: outer * patch, width: inner * patch };
  const cells = config.learnSigma ? firstHalves(values, patch * patch, planes.channels) : values;
  return reshape(unpatchify(reshape(cells, [clips, count, -1]), { time: 1, space: patch }, size), [
    clips,
    size.height,
    size.width,
    planes.channels,
  ]);
}

/** Keeps the first half of each cell's `2 * channels` values. The other half was meant for a variance and is not used. */
function firstHalves(values: Tensor3D, cellsPerToken: number, channels: number): Tensor3D {
  const [clips, count] = values.shape;
  const cells: Tensor2D = reshape(values, [clips * count * cellsPerToken, 2 * channels]);
  return reshape(slice(cells, [0, 0], [clips * count * cellsPerToken, channels]), [clips, count, -1]);
}
