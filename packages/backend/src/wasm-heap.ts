import { CoordTokError } from "@coordtok/core";

/** What of the module behind tfjs-backend-wasm is used: its allocator, whose pointers are signed, and its memory. */
export interface WasmHeap {
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  readonly HEAPU8: Uint8Array;
}

/**
 * Bytes of tensors that wasm has room for. Its memory ends at 4 GiB, and its own code needs room beside them: near that limit
 * tfjs-backend-wasm 4.22 hands out null pointers without a word or ends the instance.
 */
const wasmBudgetBytes: number = 3.5 * 2 ** 30;

const guarded = new WeakMap<WasmHeap, () => number>();

/**
 * Makes an allocator refuse what does not fit, so that running out of memory is an error rather than a wrong result. What was there
 * before stays usable. A second call does nothing.
 * @returns how many bytes are still free.
 */
export function guardHeap(heap: WasmHeap, budget: number = wasmBudgetBytes): () => number {
  const before = guarded.get(heap);
  if (before) return before;
  // The module puts the real functions in the place of these on their first call.
  heap._free(heap._malloc(16));
  const allocate = heap._malloc.bind(heap);
  const release = heap._free.bind(heap);
  const sizes = new Map<number, number>();
  let live = 0;
  heap._malloc = (bytes) => {
    const pointer = live + bytes > budget ? 0 : allocate(bytes);
    if (pointer === 0 && bytes > 0) throw outOfMemory(bytes, live, budget);
    sizes.set(pointer >>> 0, bytes);
    live += bytes;
    return pointer;
  };
  heap._free = (pointer) => {
    live -= sizes.get(pointer >>> 0) ?? 0;
    sizes.delete(pointer >>> 0);
    release(pointer);
  };
  const free = (): number => budget - live;
  guarded.set(heap, free);
  return free;
}

function outOfMemory(bytes: number, live: number, budget: number): CoordTokError {
  const gigabytes = (count: number): string => (count / 1e9).toFixed(2);
  return new CoordTokError(
    "memory",
    `wasm has room for ${gigabytes(budget)} GB of tensors, holds ${gigabytes(live)} GB and was asked for ${gigabytes(bytes)} GB more; use a smaller batch, smaller slices or the backend tensorflow.`,
  );
}
