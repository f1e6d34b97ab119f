import {
  add,
  any,
  cast,
  concat,
  greater,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  tidy,
  transpose,
  type Rank,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { fusedCrossAttention, fusedSelfAttention } from "./fused/attention.js";
import { hasFused } from "./fused/kernels.js";
import { operation } from "./operation.js";
import { product } from "./product.js";
import { backendTraits } from "./traits.js";

/** Numbers added to the logits of each key, `[B, keys]`: 0 keeps a key, {@link maskedKey} removes it. They receive no gradient. */
export type KeyBias = Tensor2D;

/** The key bias that removes a key: its weight becomes exactly 0. If all keys of a clip are removed, its attention is 0. */
export const maskedKey = -1e9;

/** The composite attention holds at most this many logits at once: 256 MiB of float32. */
export const maxLogits: number = 2 ** 26;

/**
 * Multi-head attention over packed projections. Heads are consecutive slices of the width; logits are scaled by
 * `1 / sqrt(head width)`. The gradient recomputes the weights, so only the projections are kept.
 * @param query `[B, queries, E]`
 * @param keyValue `[B, keys, 2E]`: keys, then values.
 * @param heads the number of heads, which divides E.
 * @returns `[B, queries, E]`
 * @throws CoordTokError `shape` if the heads do not divide E.
 */
export function crossAttention(query: Tensor3D, keyValue: Tensor3D, heads: number, keyBias?: KeyBias): Tensor3D {
  const width = query.shape[2];
  checkHeads(width, heads);
  if (hasFused("CoordTokCrossAttention")) return fusedCrossAttention(query, keyValue, heads, keyBias);
  const parts = (q: Tensor3D, packed: Tensor3D): Packed => ({
    query: { tensor: q, column: 0 },
    key: { tensor: packed, column: 0 },
    value: { tensor: packed, column: width },
  });
  return operation<Rank.R3>(
    [query, keyValue],
    (save) => {
      save([query, keyValue, ...present(keyBias)]);
      return attend(parts(query, keyValue), width, heads, keyBias);
    },
    (dy, saved) => {
      const [savedQuery, savedKeyValue, bias] = saved as [Tensor3D, Tensor3D, KeyBias | undefined];
      const gradient = attendGradient(parts(savedQuery, savedKeyValue), dy, width, heads, bias);
      return [gradient.query, concat([gradient.key, gradient.value], 2)];
    },
  );
}

/**
 * {@link crossAttention} of a sequence with itself.
 * @param packed `[B, N, 3E]`: queries, keys, values.
 * @param heads the number of heads, which divides E.
 * @returns `[B, N, E]`
 * @throws CoordTokError `shape` if the heads do not divide E.
 */
export function selfAttention(packed: Tensor3D, heads: number, keyBias?: KeyBias): Tensor3D {
  const width = packed.shape[2] / 3;
  checkHeads(width, heads);
  if (hasFused("CoordTokSelfAttention")) return fusedSelfAttention(packed, heads, keyBias);
  const parts = (tensor: Tensor3D): Packed => ({
    query: { tensor, column: 0 },
    key: { tensor, column: width },
    value: { tensor, column: 2 * width },
  });
  return operation<Rank.R3>(
    [packed],
    (save) => {
      save([packed, ...present(keyBias)]);
      return attend(parts(packed), width, heads, keyBias);
    },
    (dy, saved) => {
      const [savedPacked, bias] = saved as [Tensor3D, KeyBias | undefined];
      const gradient = attendGradient(parts(savedPacked), dy, width, heads, bias);
      return [concat([gradient.query, gradient.key, gradient.value], 2)];
    },
  );
}

function present(keyBias: KeyBias | undefined): KeyBias[] {
  return keyBias === undefined ? [] : [keyBias];
}

function checkHeads(width: number, heads: number): void {
  if (width % heads !== 0)
    throw new CoordTokError("shape", `Expected a width that is a multiple of the ${heads} heads, got ${width}.`);
}

/** The columns of a packed projection from `column` on. */
interface Columns {
  readonly tensor: Tensor3D;
  readonly column: number;
}

interface Packed {
  readonly query: Columns;
  readonly key: Columns;
  readonly value: Columns;
}

interface Gradients<T> {
  readonly query: T;
  readonly key: T;
  readonly value: T;
}

/** Heads computed together: `heads` heads of one clip, from `head` on. */
interface Group {
  readonly clip: number;
  readonly head: number;
  readonly heads: number;
}

function groupsOf(clip: number, heads: number): Group[] {
  const together = backendTraits().batchedProducts ? heads : 1;
  return Array.from({ length: heads / together }, (_, i) => ({ clip, head: i * together, heads: together }));
}

function queryRanges(queries: number, keys: number, heads: number): [first: number, count: number][] {
  const most = Math.max(1, Math.floor(maxLogits / (heads * keys)));
  const ranges: [number, number][] = [];
  for (let first = 0; first < queries; first += most) ranges.push([first, Math.min(most, queries - first)]);
  return ranges;
}

/** Some rows of the heads of a group: `[heads, count, head width]`. */
function headsOf(columns: Columns, group: Group, headWidth: number, first: number, count: number): Tensor3D {
  const { clip, head, heads } = group;
  const begin: [number, number, number] = [clip, first, columns.column + head * headWidth];
  const rows = slice(columns.tensor, begin, [1, count, heads * headWidth]) as Tensor3D;
  return heads === 1 ? rows : transpose(reshape(rows, [count, heads, headWidth]), [1, 0, 2]);
}

/** The inverse of {@link headsOf}: `[heads, count, head width]` to `[count, heads * head width]`. */
function rowsOf(perHead: Tensor3D): Tensor2D {
  const [heads, count, headWidth] = perHead.shape;
  return reshape(heads === 1 ? perHead : transpose(perHead, [1, 0, 2]), [count, heads * headWidth]);
}

/** One product per head. */
function headProducts(a: Tensor3D, b: Tensor3D, transposeA = false, transposeB = false): Tensor3D {
  if (a.shape[0] > 1) return matMul(a, b, transposeA, transposeB);
  const [, aRows, aColumns] = a.shape;
  const [, bRows, bColumns] = b.shape;
  const one: Tensor2D = product(reshape(a, [aRows, aColumns]), reshape(b, [bRows, bColumns]), transposeA, transposeB);
  return reshape(one, [1, ...one.shape]);
}

/** The weights of every key for some queries, `[heads, queries, keys]`; the queries are already scaled. */
function weightsOf(query: Tensor3D, key: Tensor3D, clip: number, keyBias: KeyBias | undefined): Tensor3D {
  const logits = headProducts(query, key, false, true);
  if (keyBias === undefined) return softmax(logits);
  const bias = slice(keyBias, [clip, 0], [1, keyBias.shape[1]]);
  return mul(softmax(add<Tensor3D>(logits, bias)), cast(any(greater(bias, maskedKey / 2)), "float32"));
}

function attend(packed: Packed, width: number, heads: number, keyBias: KeyBias | undefined): Tensor3D {
  const [clips, queries] = packed.query.tensor.shape;
  const keys = packed.key.tensor.shape[1];
  const headWidth = width / heads;
  const scale = 1 / Math.sqrt(headWidth);
  const ofGroup = (group: Group): Tensor2D =>
    tidy(() => {
      const key = headsOf(packed.key, group, headWidth, 0, keys);
      const value = headsOf(packed.value, group, headWidth, 0, keys);
      const parts = queryRanges(queries, keys, group.heads).map(([first, count]) =>
        tidy(() => {
          const query = mul<Tensor3D>(headsOf(packed.query, group, headWidth, first, count), scale);
          return rowsOf(headProducts(weightsOf(query, key, group.clip, keyBias), value));
        }),
      );
      return joined(parts, 0);
    });
  return tidy(() => stackClips(clips, (clip) => joined(groupsOf(clip, heads).map(ofGroup), 1)));
}

function attendGradient(
  packed: Packed,
  dy: Tensor3D,
  width: number,
  heads: number,
  keyBias: KeyBias | undefined,
): Gradients<Tensor3D> {
  const clips = packed.query.tensor.shape[0];
  const perClip = Array.from({ length: clips }, (_, clip) => {
    const groups = groupsOf(clip, heads).map((group) => groupGradient(packed, dy, group, width / heads, keyBias));
    return {
      query: joined(
        groups.map((gradient) => gradient.query),
        1,
      ),
      key: joined(
        groups.map((gradient) => gradient.key),
        1,
      ),
      value: joined(
        groups.map((gradient) => gradient.value),
        1,
      ),
    };
  });
  return {
    query: stackClips(clips, (clip) => perClip[clip]!.query),
    key: stackClips(clips, (clip) => perClip[clip]!.key),
    value: stackClips(clips, (clip) => perClip[clip]!.value),
  };
}

function groupGradient(
  packed: Packed,
  dy: Tensor3D,
  group: Group,
  headWidth: number,
  keyBias: KeyBias | undefined,
): Gradients<Tensor2D> {
  const queries = packed.query.tensor.shape[1];
  const keys = packed.key.tensor.shape[1];
  const scale = 1 / Math.sqrt(headWidth);
  return tidy(() => {
    const key = headsOf(packed.key, group, headWidth, 0, keys);
    const value = headsOf(packed.value, group, headWidth, 0, keys);
    const parts = queryRanges(queries, 3 * keys, group.heads).map(([first, count]) =>
      tidy(() => {
        const query = mul<Tensor3D>(headsOf(packed.query, group, headWidth, first, count), scale);
        const upstream = headsOf({ tensor: dy, column: 0 }, group, headWidth, first, count);
        const weights = weightsOf(query, key, group.clip, keyBias);
        const logitGradient = tidy(() => {
          const weightGradient = headProducts(upstream, value, false, true);
          return mul<Tensor3D>(weights, sub(weightGradient, sum(mul(weights, weightGradient), 2, true)));
        });
        return {
          query: rowsOf(mul<Tensor3D>(headProducts(logitGradient, key), scale)),
          key: headProducts(logitGradient, query, true, false),
          value: headProducts(weights, upstream, true, false),
        };
      }),
    );
    return {
      query: joined(
        parts.map((part) => part.query),
        0,
      ),
      key: rowsOf(summed(parts.map((part) => part.key))),
      value: rowsOf(summed(parts.map((part) => part.value))),
    };
  });
}

function joined(parts: readonly Tensor2D[], axis: 0 | 1): Tensor2D {
  return parts.length === 1 ? parts[0]! : concat([...parts], axis);
}

function summed(parts: readonly Tensor3D[]): Tensor3D {
  return parts.reduce((total, part) => add<Tensor3D>(total, part));
}

function stackClips(clips: number, ofClip: (clip: number) => Tensor2D): Tensor3D {
  const parts = Array.from({ length: clips }, (_, clip): Tensor3D => {
    const rows = ofClip(clip);
    return reshape(rows, [1, ...rows.shape]);
  });
  return parts.length === 1 ? parts[0]! : concat(parts, 0);
}
