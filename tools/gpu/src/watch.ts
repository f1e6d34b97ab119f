import { env } from "@tensorflow/tfjs-core";

type Method<T extends object> = (this: T, ...given: unknown[]) => unknown;

/** The methods of a class of WebGPU, to be replaced for a while. */
function methodsOf<T extends object>(type: { readonly prototype: T }): Record<string, Method<T>> {
  return type.prototype as unknown as Record<string, Method<T>>;
}

/** Replaces a method until the function that comes back is called. */
function replace<T extends object>(
  type: { readonly prototype: T },
  name: string,
  by: (before: Method<T>) => Method<T>,
): () => void {
  const methods = methodsOf(type);
  const before = methods[name]!;
  methods[name] = by(before);
  return () => {
    methods[name] = before;
  };
}

/** Counts what is sent to the device until it is stopped. */
export function countDispatches(): { readonly stop: () => { readonly dispatches: number; readonly submits: number } } {
  let [dispatches, submits] = [0, 0];
  const restored = [
    replace(
      GPUComputePassEncoder,
      "dispatchWorkgroups",
      (before) =>
        function (...counts) {
          dispatches++;
          return before.apply(this, counts);
        },
    ),
    replace(
      GPUQueue,
      "submit",
      (before) =>
        function (...buffers) {
          submits++;
          return before.apply(this, buffers);
        },
    ),
  ];
  return {
    stop: () => {
      for (const restore of restored) restore();
      return { dispatches, submits };
    },
  };
}

const mostPasses = 2000;

/**
 * What the device itself takes for one run, in milliseconds by the label of the pipeline, longest first: every dispatch becomes a pass
 * with a time at its begin and end.
 */
export async function gpuTimes(
  { device }: { readonly device: GPUDevice },
  run: () => Promise<void>,
): Promise<Readonly<Record<string, number>>> {
  if (!device.features.has("timestamp-query")) return {};
  const querySet = device.createQuerySet({ type: "timestamp", count: 2 * mostPasses });
  const labels: string[] = [];
  const before = env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE");
  env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", 1);
  const restored = [
    replace(
      GPUCommandEncoder,
      "beginComputePass",
      (before) =>
        function (descriptor) {
          const pass = labels.length;
          if (pass >= mostPasses) return before.call(this, descriptor);
          labels.push("");
          const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * pass, endOfPassWriteIndex: 2 * pass + 1 };
          return before.call(this, { ...(descriptor as object), timestampWrites });
        },
    ),
    replace(
      GPUComputePassEncoder,
      "setPipeline",
      (before) =>
        function (pipeline) {
          labels[labels.length - 1] = (pipeline as GPUComputePipeline).label;
          return before.call(this, pipeline);
        },
    ),
  ];
  try {
    await run();
  } finally {
    env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", before);
    for (const restore of restored) restore();
  }
  const bytes = 16 * labels.length;
  const resolved = device.createBuffer({ size: bytes, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
  const read = device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  encoder.resolveQuerySet(querySet, 0, 2 * labels.length, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, read, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const times = new BigUint64Array(read.getMappedRange());
  const sums: Record<string, { ms: number; count: number }> = {};
  labels.forEach((label, i) => {
    const sum = (sums[label] ??= { ms: 0, count: 0 });
    sum.ms += Number(times[2 * i + 1]! - times[2 * i]!) / 1e6;
    sum.count++;
  });
  const sorted = Object.entries(sums).sort(([, a], [, b]) => b.ms - a.ms);
  const all = sorted.reduce((total, [, { ms }]) => total + ms, 0);
  read.destroy();
  resolved.destroy();
  querySet.destroy();
  return Object.fromEntries([
    ["all", Math.round(all * 1000) / 1000],
    ...sorted.map(([label, { ms, count }]) => [`${String(count)} ${label}`, Math.round(ms * 1000) / 1000]),
  ]) as Record<string, number>;
}
