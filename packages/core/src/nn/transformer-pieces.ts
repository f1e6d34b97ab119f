import { add, concat, dispose, slice, tidy, type Tensor1D, type Tensor2D, type Tensor3D } from "@tensorflow/tfjs-core";
import { crossAttention } from "./attention.js";
import { layerNorm } from "./layer-norm.js";
import { linear, type LinearParams } from "./linear.js";
import { mlp } from "./mlp.js";
import { transformerBlock, type TransformerBlockParams } from "./transformer-block.js";
import { checkOptions, type OptionNames } from "../options.js";

/** Options of {@link transformerInPieces}. */
export interface PiecesOptions {
  /** The number of attention heads, which divides the width. */
  readonly heads: number;
  /** The epsilon of every layer norm. */
  readonly epsilon: number;
  /**
   * Called after each piece of the work with the share of it that is done, from 0 to 1; it is waited for. What it throws ends the work, and
   * leaves no tensors.
   */
  readonly onPiece: (done: number) => Promise<void>;
}

const piecesOptionNames: OptionNames<PiecesOptions> = { heads: true, epsilon: true, onPiece: true };

/** Sequences up to this length are computed in one piece a block. */
const wholeRows = 1024;
/** The products of two rows that a piece of a longer one has, times the width: a fraction of a second on one core. */
const pieceProducts = 2 ** 31;

/**
 * Applies transformer blocks as `transformerBlock` does, without gradients and with pauses: the rows of a long sequence are computed a few at
 * a time, so that nothing blocks for long, however long the sequence is. Numbers may differ from those of `transformerBlock` in the last
 * bits.
 * @param x `[B, N, E]`
 * @returns `[B, N, E]`, owned by the caller.
 */
export async function transformerInPieces(
  blocks: readonly TransformerBlockParams[],
  x: Tensor3D,
  options: PiecesOptions,
): Promise<Tensor3D> {
  checkOptions(options, piecesOptionNames, "transformerInPieces");
  const { heads, epsilon, onPiece } = options;
  const [clips, rows, width] = x.shape;
  const perPiece = Math.max(64, Math.min(wholeRows, Math.floor(pieceProducts / (clips * rows * width))));
  const ranges: Range[] = [];
  for (let first = 0; first < rows; first += perPiece) ranges.push({ first, count: Math.min(perPiece, rows - first) });
  let current = tidy(() => x.clone());
  let done = 0;
  const each = async (act: (range: Range) => Tensor3D): Promise<Tensor3D> => {
    const pieces: Tensor3D[] = [];
    try {
      for (const range of ranges) {
        pieces.push(tidy(() => act(range)));
        await onPiece(++done / (2 * ranges.length * blocks.length));
      }
      return tidy(() => concat(pieces, 1));
    } finally {
      dispose(pieces);
    }
  };
  try {
    for (const [index, block] of blocks.entries()) {
      let next: Tensor3D;
      if (rows <= wholeRows) {
        next = transformerBlock(block, current, { heads, epsilon });
        current.dispose();
        current = next;
        await onPiece((index + 1) / blocks.length);
        continue;
      }
      const { query, keyValue } = splitWeights(block.attention.queryKeyValue);
      let memory: Tensor3D | undefined;
      try {
        const before = current;
        const normal = (range: Range): Tensor3D => layerNorm(block.attentionNorm, rowsOf(before, range), epsilon);
        memory = await each((range) => linear(keyValue, normal(range)));
        const all = memory;
        next = await each((range) => {
          const attended = crossAttention(linear(query, normal(range)), all, heads);
          const sum: Tensor3D = add(rowsOf(before, range), linear(block.attention.output, attended));
          return add(sum, mlp(block.mlp, layerNorm(block.mlpNorm, sum, epsilon)));
        });
      } finally {
        disposeLinear(query);
        disposeLinear(keyValue);
        memory?.dispose();
      }
      current.dispose();
      current = next;
    }
    return current;
  } catch (thrown) {
    current.dispose();
    throw thrown;
  }
}

interface Range {
  readonly first: number;
  readonly count: number;
}

function rowsOf(x: Tensor3D, { first, count }: Range): Tensor3D {
  return slice(x, [0, first, 0], [x.shape[0], count, x.shape[2]]);
}

/** The weights of queries, and those of keys and values, which lie in one kernel. */
function splitWeights({ kernel, bias }: LinearParams): { query: LinearParams; keyValue: LinearParams } {
  const [inputs, outputs] = kernel.shape;
  const width = outputs / 3;
  const part = (first: number, count: number): LinearParams =>
    tidy(() => ({
      kernel: slice(kernel, [0, first], [inputs, count]) as Tensor2D,
      bias: bias === undefined ? undefined : (slice(bias, first, count) as Tensor1D),
    }));
  return { query: part(0, width), keyValue: part(width, 2 * width) };
}

function disposeLinear({ kernel, bias }: LinearParams): void {
  kernel.dispose();
  bias?.dispose();
}
