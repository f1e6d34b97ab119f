import type { BackendTraits } from "@coordtok/core/nn";

/** The name of a backend. */
export type BackendName = "tensorflow" | "webgpu" | "wasm" | "cpu";

/** A backend: its names, where it runs, its traits and how to get it. */
export interface BackendRow {
  /** The name that `loadBackend` takes. */
  readonly name: BackendName;
  /** Its name in TensorFlow.js, as `getBackend()` of tfjs-core returns it. */
  readonly tfName: string;
  /** The npm package that provides it. */
  readonly packageName: string;
  /** Where it runs. */
  readonly runsIn: readonly ("node" | "browser")[];
  /** Its traits, by which the layers of core choose. */
  readonly traits: BackendTraits;
  /** Its traits while its fused operations are in use. */
  readonly fusedTraits: BackendTraits;
  /** A few words about what it computes on. */
  readonly summary: string;
  /** How a user gets it. */
  readonly howToGet: string;
}

const everyProduct: BackendTraits = { transposedProducts: true, batchedProducts: true };
// tfjs-backend-wasm 4.22 passes only plain 2D products to XNNPACK; all others are 10 to 50 times slower.
const plainProducts: BackendTraits = { transposedProducts: false, batchedProducts: false };

/** All backends, the fastest first. */
export const backendCatalogue: readonly BackendRow[] = [
  {
    name: "tensorflow",
    tfName: "tensorflow",
    packageName: "@tensorflow/tfjs-node-gpu",
    runsIn: ["node"],
    traits: { ...everyProduct, convolutions3d: true },
    fusedTraits: { ...everyProduct, convolutions3d: true, separateBias: true },
    summary: "native TensorFlow on all processor cores or an NVIDIA GPU",
    howToGet: "npx coordtok setup",
  },
  {
    name: "webgpu",
    tfName: "webgpu",
    packageName: "@tensorflow/tfjs-backend-webgpu",
    runsIn: ["node", "browser"],
    traits: everyProduct,
    fusedTraits: everyProduct,
    summary: "any GPU, through WebGPU of the browser or of the package webgpu",
    howToGet:
      "pnpm add @tensorflow/tfjs-backend-webgpu, and a browser with WebGPU or, in Node, pnpm add webgpu (132 MB)",
  },
  {
    name: "wasm",
    tfName: "wasm",
    packageName: "@tensorflow/tfjs-backend-wasm",
    runsIn: ["node", "browser"],
    traits: plainProducts,
    fusedTraits: everyProduct,
    summary: "WebAssembly with SIMD on one processor core, at most 4 GiB of tensors",
    howToGet: "nothing to do: it comes with @coordtok/backend",
  },
  {
    name: "cpu",
    tfName: "cpu",
    packageName: "@tensorflow/tfjs-backend-cpu",
    runsIn: ["node", "browser"],
    traits: everyProduct,
    fusedTraits: everyProduct,
    summary: "plain JavaScript, about a hundred times slower than wasm; for checking results",
    howToGet: "nothing to do: it comes with @coordtok/backend",
  },
];

/** Returns the row of a backend. */
export function backendRow(name: BackendName): BackendRow {
  return backendCatalogue.find((row) => row.name === name) as BackendRow;
}
