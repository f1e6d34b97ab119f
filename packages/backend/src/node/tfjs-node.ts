import { createRequire } from "node:module";
import { join } from "node:path";
import {
  abs,
  add,
  mul,
  registerBackend,
  registerKernel,
  relu,
  sub,
  tidy,
  unregisterKernel,
  type KernelBackend,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { messageOf } from "@coordtok/core";
import { checkFiles } from "@coordtok/core/node";
import { precisionVariable, type Precision } from "../precision.js";
import { hasCuda, type Installation, type InstallationFacts } from "./installation.js";

/** The npm package that binds TensorFlow. Setup downloads it, so that no project has to depend on it. */
export const tfjsNodePackage = "@tensorflow/tfjs-node-gpu";
/** The version of it that is set up. */
export const tfjsNodeVersion = "4.22.0";

/** The folder inside an installation that holds the package's JavaScript. */
export const tfjsNodeFolder = "tfjs-node";
/** The modules of it that the backend needs, without those for TensorBoard, images, files and saved models. */
export const tfjsNodeModules: RegExp =
  /^(?:package\.json|dist\/(?:register_all_kernels|nodejs_kernel_backend|int64_tensors|kernels\/(?!\w+_test\.)\w+)\.js)$/;

/** Where the package's modules find tfjs-core while they load. */
const coreSlot = "coordtok.tfjs-core";

/**
 * Modules that stand in for others that the package's modules require, by path below {@link tfjsNodeFolder}: tfjs-core takes the place of the
 * union package, and nothing that of the messages for TensorBoard.
 */
export const standIns: Readonly<Record<string, string>> = {
  "node_modules/@tensorflow/tfjs.js": `module.exports = globalThis[Symbol.for("${coreSlot}")];\n`,
  "dist/proto/api_pb.js": "module.exports = {};\n",
};

/** Whether an installation holds the JavaScript of the package, in the version that is set up. */
export function hasTfjsNode({ files, tfjsNode }: InstallationFacts): boolean {
  return tfjsNode === tfjsNodeVersion && files.some(({ path }) => path === `${tfjsNodeFolder}/package.json`);
}

interface KernelBackendModule {
  readonly NodeJSKernelBackend: new (addon: unknown, packageName: string) => KernelBackend;
}

/**
 * Loads the add-on of an installation and the JavaScript of `@tensorflow/tfjs-node-gpu` in it, after comparing both with their SHA-256, and
 * registers the backend `tensorflow` with tfjs-core.
 */
export async function loadTfjsNode(installation: Installation, precision: Precision): Promise<void> {
  const problem = await checkFiles(installation.directory, installation.files);
  if (problem !== undefined) throw new Error(problem);
  prepareProcess(installation, precision);
  const slots = globalThis as Record<symbol, unknown>;
  slots[Symbol.for(coreSlot)] = createRequire(import.meta.url)("@tensorflow/tfjs-core");
  const require = createRequire(join(installation.directory, tfjsNodeFolder, "package.json"));
  try {
    const addon: unknown = require(installation.addon);
    require("./dist/register_all_kernels.js");
    const { NodeJSKernelBackend } = require("./dist/nodejs_kernel_backend.js") as KernelBackendModule;
    replacePrelu();
    registerBackend("tensorflow", () => new NodeJSKernelBackend(addon, tfjsNodePackage), 3);
  } catch (thrown) {
    throw new Error(firstLine(messageOf(thrown)), { cause: thrown });
  } finally {
    Reflect.deleteProperty(slots, Symbol.for(coreSlot));
  }
}

/** The package's own kernel calls chained methods of tensors, which tfjs-core alone does not have. */
function replacePrelu(): void {
  unregisterKernel("Prelu", "tensorflow");
  registerKernel({
    kernelName: "Prelu",
    backendName: "tensorflow",
    kernelFunc: ({ inputs }) => {
      const { x, alpha } = inputs as unknown as { readonly x: Tensor; readonly alpha: Tensor };
      return tidy(() => add(relu(x), mul(mul(alpha, sub(x, abs(x))), 0.5)));
    },
  });
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? text).trim();
}

/** Sets the environment that TensorFlow and tfjs-node read when they load. Except for the precision, the user's own settings win. */
function prepareProcess(installation: Installation, precision: Precision): void {
  process.env[precisionVariable] = precision === "bf16" ? "BF16" : "STRICT";
  const build = hasCuda(installation);
  // The build with CUDA prints an error about a missing driver at every start; `coordtok doctor` reports it clearly.
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= build ? "3" : "2";
  if (build && installation.device === "cpu") process.env["CUDA_VISIBLE_DEVICES"] ??= "-1";
  process.env["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true";
  supplyOldHelpers();
}

/** Replaces two helpers of `node:util` that tfjs-node 4.22 calls; they warn in Node 22 and later versions remove them. */
function supplyOldHelpers(): void {
  if (Number(process.versions.node.split(".")[0]) < 22) return;
  const util = createRequire(import.meta.url)("node:util") as Record<string, unknown>;
  util["isNullOrUndefined"] = (value: unknown) => value === null || value === undefined;
  util["isArray"] = Array.isArray;
}
