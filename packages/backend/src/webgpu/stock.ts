import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";

/** What of the backend of tfjs-backend-webgpu is used. Several of these are private there, so the peer dependency names 4.22.0 exactly. */
export interface StockBackend {
  readonly device: GPUDevice;
  readonly bufferManager: {
    readonly numBytesUsed: number;
    readonly numBytesAllocated: number;
    releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
  };
  readonly tensorMap: { get(dataId: object): StockData | undefined };
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandEncoder: GPUCommandEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  makeTensorInfo(shape: readonly number[], dtype: DataType, values?: ArrayLike<number>): TensorInfo;
  disposeData(dataId: object, force?: boolean): boolean;
  incRef(dataId: object): void;
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  read(dataId: object): Promise<unknown>;
  dispose(): void;
}

/** One tensor's data. Its type is that of the numbers in the buffer. */
export interface StockData {
  values: ArrayLike<number> | null | undefined;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly resource?: GPUBuffer;
}
