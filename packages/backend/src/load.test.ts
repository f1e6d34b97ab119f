import {
  getBackend,
  matMul,
  memory,
  ones,
  registerKernel,
  tidy,
  unregisterKernel,
  getKernel,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import { backendTraits } from "@coordtok/core/nn";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { describe, expect, it } from "vitest";
import { backendRow, type BackendName } from "./catalogue.js";
import { loadBackend } from "./load.js";
import { requiredKernels } from "./requirements.js";

async function four(): Promise<number[]> {
  const product = tidy(() => matMul(ones([2, 3]) as Tensor2D, ones([3, 2]) as Tensor2D));
  const values = [...(await product.data())];
  product.dispose();
  return values;
}

describeEachBackend("a loaded backend", (name) => {
  it("is selected, has its traits registered and describes itself", async () => {
    const loaded = await loadBackend(name, { purpose: "training" });
    expect(getBackend()).toBe(backendRow(name).tfName);
    expect(backendTraits()).toEqual(backendRow(name)[loaded.fused.active ? "fusedTraits" : "traits"]);
    expect(loaded).toMatchObject({ name, tfName: backendRow(name).tfName, passedOver: [] });
    // A note may say that the fused operations are not in use; there are no others.
    expect(loaded.notes.filter((note) => !note.startsWith("The fused operations"))).toEqual([]);
    expect(loaded.device).not.toBe("");
    expect(loaded.versions["@tensorflow/tfjs-core"]).toBe("4.22.0");
  });

  it("multiplies, and loading it again changes nothing", async () => {
    await expectNoLeak(async () => {
      await loadBackend(name);
      expect(await four()).toEqual([3, 3, 3, 3]);
    });
  });

  it("alternates with the others in one process", async () => {
    for (const other of ["cpu", name, "wasm", name] as const) {
      await loadBackend(other);
      expect(getBackend()).toBe(other);
      expect(await four()).toEqual([3, 3, 3, 3]);
    }
  });

  it("is not replaced by one that does not load", async () => {
    const other = name === "cpu" ? "wasm" : "cpu";
    await loadBackend(other);
    await loadBackend(name);
    const before = memory().numTensors;
    const erf = getKernel("Erf", other);
    unregisterKernel("Erf", other);
    try {
      await expect(loadBackend(other)).rejects.toMatchObject({ code: "backend" });
    } finally {
      registerKernel(erf);
    }
    expect(getBackend()).toBe(backendRow(name).tfName);
    expect(memory().numTensors).toBe(before);
  });

  it("that lacks a kernel is refused with the names of what it lacks", async () => {
    const { tfName } = backendRow(name);
    const erf = getKernel("Erf", tfName);
    const step = getKernel("Step", tfName);
    try {
      unregisterKernel("Step", tfName);
      await loadBackend(name, { purpose: "inference" });
      await expect(loadBackend(name, { purpose: "training" })).rejects.toThrow(
        `The backend ${name} lacks a kernel that training needs (Step);`,
      );
      unregisterKernel("Erf", tfName);
      await expect(loadBackend(name, { purpose: "training" })).rejects.toThrow(
        /lacks kernels that training needs \(Erf, Step\)/,
      );
    } finally {
      registerKernel(erf);
      registerKernel(step);
    }
  });

  it("stops if aborted before it starts", async () => {
    const signal = AbortSignal.abort();
    await expect(loadBackend(name, { signal })).rejects.toMatchObject({ code: "aborted" });
    await expect(loadBackend("auto", { signal })).rejects.toMatchObject({ code: "aborted" });
  });
});

describe("loadBackend", () => {
  it("lists the backends for an unknown name", async () => {
    await expect(loadBackend("cuda" as BackendName)).rejects.toThrow(
      /one of auto, tensorflow, webgpu, wasm, cpu, got "cuda"/,
    );
  });

  it("reports its progress", async () => {
    const events: string[] = [];
    await loadBackend("cpu", {
      onProgress: ({ task, done, total }) => events.push(`${task} ${String(done)}/${String(total)}`),
    });
    expect(events).toEqual(["load backend cpu 0/1", "load backend cpu 1/1"]);
  });

  it("needs more for training than for inference", () => {
    expect(requiredKernels("training")).toEqual(expect.arrayContaining([...requiredKernels("inference")]));
    expect(new Set(requiredKernels("training")).size).toBe(requiredKernels("training").length);
  });
});
