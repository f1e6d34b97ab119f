import { env, util, type DataType, type TensorInfo } from "@tensorflow/tfjs-core";
import type { StockBackend } from "./stock.js";

/** How WGSL sees the numbers of a tensor. */
export type Element = "f32" | "vec4f" | "u32" | "i32";

/** A compute shader. */
export interface Program {
  /** Names it and all that its source depends on. */
  readonly key: string;
  /** The tensors that it reads, by the names that its source has for them, in the order of the call. */
  readonly reads: Readonly<Record<string, Element>>;
  /** The tensors that it writes, likewise. */
  readonly writes: Readonly<Record<string, Element>>;
  /** The numbers of the structure `p`, in the order of the call. */
  readonly numbers: Readonly<Record<string, "u32" | "f32">>;
  /** Invocations of a workgroup. */
  readonly threads: number;
  /**
   * What stands before the entry point, and its body. The body knows `lid`, the number of the invocation in its workgroup, and `group`,
   * the number of the workgroup, which is below `p.groups`.
   */
  readonly source: () => { readonly declarations?: string; readonly body: string };
}

/** A tensor to be made, or one that is there and written into. */
export type Output = { readonly shape: readonly number[]; readonly dtype: DataType } | TensorInfo;

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** The types of its numbers. */
  readonly types: readonly ("u32" | "f32")[];
  /** They, as part of a key. */
  readonly typeKey: string;
}

const programs = new Map<string, Program>();

/** The program of a key, made once: a call of an operation takes microseconds, and many of them. */
export function programOf(key: string, make: () => Omit<Program, "key">): Program {
  let program = programs.get(key);
  if (program === undefined) programs.set(key, (program = { key, ...make() }));
  return program;
}

/** What a device has made for the programs. Shapes repeat from call to call, so most of it serves again. */
interface DeviceCache {
  readonly layouts: Map<string, GPUBindGroupLayout>;
  readonly programs: Map<string, Compiled>;
  readonly uniforms: Map<string, GPUBuffer>;
  readonly groups: Map<string, GPUBindGroup>;
  readonly ids: WeakMap<GPUBuffer, number>;
  /** Workgroups along one axis of a dispatch; asking the device each time costs as much as the dispatch. */
  readonly widest: number;
  nextId: number;
  nothing: GPUBuffer | undefined;
}

const caches = new WeakMap<GPUDevice, DeviceCache>();
/** So many bind groups and buffers of numbers are kept. */
const mostKept = 8192;

/**
 * Runs a program inside the command encoder of the backend.
 * @param groups how many workgroups; none run for 0.
 * @returns the tensors written, new data of the backend but for those given; those without numbers are never written.
 */
export function dispatch(
  backend: StockBackend,
  program: Program,
  call: {
    readonly reads: readonly TensorInfo[];
    readonly writes: readonly Output[];
    readonly numbers: readonly number[];
    readonly groups: number;
  },
): TensorInfo[] {
  const made: TensorInfo[] = [];
  const outputs = call.writes.map((write): TensorInfo => {
    if ("dataId" in write) return write;
    const { shape, dtype } = write;
    const output = backend.makeTensorInfo([...shape], dtype);
    made.push(output);
    if (util.sizeFromShape([...shape]) === 0)
      backend.tensorMap.get(output.dataId)!.values = util.getTypedArrayFromDType(dtype as "float32", 0);
    return output;
  });
  if (call.groups === 0) return outputs;
  try {
    run(backend, program, { ...call, outputs });
  } catch (thrown) {
    made.forEach(({ dataId }) => backend.disposeData(dataId, true));
    throw thrown;
  }
  return outputs;
}

function run(
  backend: StockBackend,
  program: Program,
  {
    reads,
    outputs,
    numbers,
    groups,
  }: {
    readonly reads: readonly TensorInfo[];
    readonly outputs: readonly TensorInfo[];
    readonly numbers: readonly number[];
    readonly groups: number;
  },
): void {
  const { device } = backend;
  const cache = cacheOf(device);
  const compiled = compile(device, cache, program);
  const tensors = [...reads, ...outputs];
  const buffers = tensors.map((tensor) => bufferOf(backend, cache, tensor));
  buffers.push(uniformOf(device, cache, compiled, [groups, ...numbers]));
  const bound = groupOf(device, cache, program.key, compiled.layout, buffers);
  for (const { dataId } of tensors) backend.commandQueueOwnedIds.add(dataId);
  backend.ensureCommandEncoderReady();
  backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass();
  const pass = backend.computePassEncoder;
  pass.setPipeline(compiled.pipeline);
  pass.setBindGroup(0, bound);
  const across = Math.min(groups, cache.widest);
  pass.dispatchWorkgroups(across, Math.ceil(groups / across));
  backend.dispatchCountInPass++;
  if (backend.dispatchCountInPass < env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE")) return;
  backend.endComputePassEncoder();
  backend.submitQueue();
}

function cacheOf(device: GPUDevice): DeviceCache {
  let cache = caches.get(device);
  if (cache === undefined) {
    cache = {
      layouts: new Map(),
      programs: new Map(),
      uniforms: new Map(),
      groups: new Map(),
      ids: new WeakMap(),
      widest: device.limits.maxComputeWorkgroupsPerDimension,
      nextId: 0,
      nothing: undefined,
    };
    caches.set(device, cache);
  }
  return cache;
}

function compile(device: GPUDevice, cache: DeviceCache, program: Program): Compiled {
  const known = cache.programs.get(program.key);
  if (known !== undefined) return known;
  const [reads, writes] = [Object.keys(program.reads).length, Object.keys(program.writes).length];
  const layout = layoutOf(device, cache, reads, writes);
  const module = device.createShaderModule({ code: sourceOf(program), label: program.key });
  const types = Object.values(program.numbers);
  const compiled = {
    layout,
    types,
    typeKey: `${types.join()}:`,
    pipeline: device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
      label: program.key,
    }),
  };
  cache.programs.set(program.key, compiled);
  return compiled;
}

function layoutOf(device: GPUDevice, cache: DeviceCache, reads: number, writes: number): GPUBindGroupLayout {
  const key = `${String(reads)},${String(writes)}`;
  let layout = cache.layouts.get(key);
  if (layout === undefined) {
    const typeOf = (i: number): GPUBufferBindingType =>
      i < reads ? "read-only-storage" : i < reads + writes ? "storage" : "uniform";
    const entries = Array.from({ length: reads + writes + 1 }, (_, binding) => ({
      binding,
      visibility: 4, // GPUShaderStage.COMPUTE
      buffer: { type: typeOf(binding) },
    }));
    layout = device.createBindGroupLayout({ entries });
    cache.layouts.set(key, layout);
  }
  return layout;
}

function sourceOf(program: Program): string {
  const { declarations = "", body } = program.source();
  const variables = [
    ...Object.entries(program.reads).map(([name, type]) => `var<storage, read> ${name}: array<${type}>;`),
    ...Object.entries(program.writes).map(([name, type]) => `var<storage, read_write> ${name}: array<${type}>;`),
    "var<uniform> p: Numbers;",
  ];
  const fields = Object.entries(program.numbers).map(([name, type]) => `${name}: ${type},`);
  return `
struct Numbers { groups: u32, ${fields.join(" ")} }
${variables.map((text, i) => `@group(0) @binding(${String(i)}) ${text}`).join("\n")}
${declarations}
@compute @workgroup_size(${String(program.threads)})
fn main(@builtin(local_invocation_index) lid: u32, @builtin(workgroup_id) place: vec3u, @builtin(num_workgroups) across: vec3u) {
  let group = place.y * across.x + place.x;
  if (group >= p.groups) { return; }
${body}
}`;
}

function bufferOf(backend: StockBackend, cache: DeviceCache, { dataId, shape }: TensorInfo): GPUBuffer {
  if (util.sizeFromShape([...shape]) === 0) {
    // A binding must not be empty; nothing is read from this one.
    cache.nothing ??= backend.device.createBuffer({ size: 16, usage: 0x80 }); // GPUBufferUsage.STORAGE
    return cache.nothing;
  }
  backend.uploadToGPU(dataId);
  return backend.tensorMap.get(dataId)!.resource!;
}

function uniformOf(
  device: GPUDevice,
  cache: DeviceCache,
  { types, typeKey }: Compiled,
  numbers: readonly number[],
): GPUBuffer {
  const key = typeKey + numbers.join();
  let buffer = cache.uniforms.get(key);
  if (buffer !== undefined) return buffer;
  if (cache.uniforms.size >= mostKept) {
    cache.uniforms.clear();
    cache.groups.clear();
  }
  buffer = device.createBuffer({
    size: Math.ceil((numbers.length * 4) / 16) * 16,
    usage: 0x40, // GPUBufferUsage.UNIFORM
    mappedAtCreation: true,
  });
  const view = new DataView(buffer.getMappedRange());
  numbers.forEach((number, i) => {
    if (i > 0 && types[i - 1] === "f32") view.setFloat32(4 * i, number, true);
    else view.setUint32(4 * i, number, true);
  });
  buffer.unmap();
  cache.uniforms.set(key, buffer);
  return buffer;
}

function groupOf(
  device: GPUDevice,
  cache: DeviceCache,
  program: string,
  layout: GPUBindGroupLayout,
  buffers: readonly GPUBuffer[],
): GPUBindGroup {
  let key = program;
  for (const buffer of buffers) {
    let id = cache.ids.get(buffer);
    if (id === undefined) cache.ids.set(buffer, (id = cache.nextId++));
    key += ` ${String(id)}`;
  }
  let group = cache.groups.get(key);
  if (group !== undefined) return group;
  if (cache.groups.size >= mostKept) cache.groups.clear();
  group = device.createBindGroup({
    layout,
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  cache.groups.set(key, group);
  return group;
}
