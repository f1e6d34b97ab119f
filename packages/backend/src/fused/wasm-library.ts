import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { CoordTokError } from "@coordtok/core";
import type { WasmHeap } from "../wasm-heap.js";
import type { FusedCall } from "./call.js";

/** The part of the tfjs-backend-wasm backend used here. */
export interface WasmBackend {
  readonly wasm: WasmHeap & { readonly asm?: { readonly memory?: WebAssembly.Memory } };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } | undefined };
  makeOutput(shape: readonly number[], dtype: "float32"): TensorInfo;
  disposeData(dataId: object): boolean;
}

/** The operations of kernels/wasm.cc, running in the memory of one backend. Pointers are byte offsets in it. */
export interface WasmLibrary {
  /** Runs an operation and returns its outputs, new data of the backend. */
  call(name: string, call: FusedCall): TensorInfo[];
  /** Runs an exported function that takes plain numbers. */
  run(name: string, ...numbers: readonly number[]): void;
}

const stackBytes = 65_536;
const alignment = 64;
/** Scratch memory up to this size is kept for the next call. */
const keptScratchBytes = 2 ** 23;
/** The number of 32-bit words that describe a tensor: address, size, rank and eight dimensions. */
const viewWords = 11;
const mostAxes = 8;
/** The view of an absent input. */
const absent = [0, 0, -1];

type Exported = (...numbers: readonly number[]) => number;

/**
 * Links the operations to the memory of a backend.
 * @throws what WebAssembly throws if the memory or the file does not fit.
 */
export async function linkWasmLibrary(backend: WasmBackend, file: BufferSource): Promise<WasmLibrary> {
  const memory = backend.wasm.asm?.memory;
  if (memory?.buffer !== backend.wasm.HEAPU8.buffer) throw new Error("tfjs-backend-wasm keeps its memory elsewhere");
  const stack = backend.wasm._malloc(stackBytes) >>> 0;
  try {
    const calls = new Calls(backend);
    const { instance } = await WebAssembly.instantiate(file, { env: { memory }, host: calls.imports });
    calls.start(instance.exports, stack + stackBytes);
    return calls;
  } catch (thrown) {
    backend.wasm._free(stack);
    throw thrown;
  }
}

class Calls implements WasmLibrary {
  readonly imports: Record<string, (...numbers: number[]) => number | undefined>;
  private readonly backend: WasmBackend;
  private exports: WebAssembly.Exports = {};
  private stackTop = 0;
  private tables: number[] = [];
  private outputs: TensorInfo[] = [];
  private letters = "";
  private scratch = { pointer: 0, bytes: 0 };

  constructor(backend: WasmBackend) {
    this.backend = backend;
    this.imports = {
      scratch: (floats = 0) => this.scratchOf(floats * 4 + alignment),
      table: (bytes = 0) => this.table(bytes),
      output: (index = 0, rank = 0, dims = 0) => {
        const shape = [...new Int32Array(backend.wasm.HEAPU8.buffer, dims >>> 0, rank)];
        const output = backend.makeOutput(shape, "float32");
        this.outputs[index] = output;
        return this.pointerOf(output);
      },
      letter: (letter = 0) => {
        this.letters += String.fromCharCode(letter);
        return undefined;
      },
      fail: () => {
        throw new Error(this.letters);
      },
    };
  }

  start(exports: WebAssembly.Exports, stackTop: number): void {
    this.exports = exports;
    this.stackTop = stackTop;
  }

  call(name: string, { inputs, listed, outputs, attributes }: FusedCall): TensorInfo[] {
    const tensors = [...inputs, ...listed];
    this.outputs = new Array<TensorInfo>(outputs);
    try {
      const views = this.table(tensors.length * viewWords * 4) >>> 0;
      const words = new Int32Array(this.backend.wasm.HEAPU8.buffer, views, tensors.length * viewWords);
      tensors.forEach((tensor, i) => words.set(this.viewOf(tensor), i * viewWords));
      this.run(name, ...attributes.map(({ value }) => Number(value)), views, tensors.length);
      return this.outputs;
    } catch (thrown) {
      this.outputs.forEach((output) => this.backend.disposeData(output.dataId));
      throw thrown;
    } finally {
      this.outputs = [];
      this.tables.splice(0).forEach((table) => {
        this.backend.wasm._free(table);
      });
    }
  }

  run(name: string, ...numbers: readonly number[]): void {
    // Discards what an exception may have left on the stack.
    (this.exports["__stack_pointer"] as WebAssembly.Global<"i32">).value = this.stackTop;
    this.letters = "";
    try {
      if ((this.exports[name] as Exported)(...numbers) === 1) return;
    } finally {
      if (this.scratch.bytes > keptScratchBytes) this.freeScratch();
    }
    throw new CoordTokError("memory", "wasm has no room left for intermediate results; use a smaller batch.");
  }

  private viewOf(tensor: TensorInfo | undefined): number[] {
    if (tensor === undefined) return absent;
    const { shape } = tensor;
    if (shape.length > mostAxes) throw new Error("a tensor has too many axes");
    return [this.pointerOf(tensor), util.sizeFromShape(shape), shape.length, ...shape];
  }

  private pointerOf({ dataId }: TensorInfo): number {
    return this.backend.dataIdMap.get(dataId)?.memoryOffset ?? 0;
  }

  private table(bytes: number): number {
    const pointer = this.backend.wasm._malloc(Math.max(bytes, 16));
    this.tables.push(pointer);
    return pointer;
  }

  private scratchOf(bytes: number): number {
    if (bytes > this.scratch.bytes) {
      this.freeScratch();
      this.scratch = { pointer: this.backend.wasm._malloc(bytes) >>> 0, bytes };
    }
    return Math.ceil(this.scratch.pointer / alignment) * alignment;
  }

  private freeScratch(): void {
    if (this.scratch.bytes > 0) this.backend.wasm._free(this.scratch.pointer);
    this.scratch = { pointer: 0, bytes: 0 };
  }
}
