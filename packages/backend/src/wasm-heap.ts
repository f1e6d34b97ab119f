import { CoordTokError } from "@coordtok/core";

/** The part of the module behind tfjs-backend-wasm used here: its allocator, whose pointers are signed, and its memory. */
export interface WasmHeap {
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  readonly HEAPU8: Uint8Array;
}

/**
 * The most bytes of tensors on wasm. Its memory ends at 4 GiB, of which its own code needs a part: near that limit
 * tfjs-backend-wasm 4.22 silently returns null pointers or aborts.
 */
const wasmBudgetBytes: number = 3.5 * 2 ** 30;

const guarded = new WeakMap<WasmHeap, () => number>();

/**
 * Makes an allocator throw when its budget is exceeded, so that running out of memory is an error rather than a wrong result. Earlier
 * allocations stay usable. A second call does nothing.
 * @returns a function that returns the number of free bytes.
 */
export function guardHeap(heap: WasmHeap, budget: number = wasmBudgetBytes): () => number {
  const before = guarded.get(heap);
  if (before) return before;
  // The module replaces these functions by the real ones on their first call.
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
