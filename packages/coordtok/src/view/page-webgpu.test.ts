import { disposeTree } from "@coordtok/core";
import { planeNames } from "@coordtok/triplane";
import { syntheticClip } from "@coordtok/video";
import { loadBackend } from "@coordtok/backend";
import { expect, it } from "vitest";
import { openAnyFilm } from "../film/index.js";
import { noBrowser, OpenPage } from "./testdata/open-page.js";

it("WebGPU and wasm at the page agree to 1e-4", { timeout: 240_000 }, async ({ skip }) => {
  if (noBrowser !== undefined) return skip(noBrowser);
  const open = await OpenPage.open("#scene=pattern&frame=1", [
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
  ]);
  try {
    const hasAdapter = await open.page.evaluate(
      async () => "gpu" in navigator && (await (navigator.gpu as Requestable).requestAdapter()) !== null,
    );
    if (!hasAdapter) return skip("this browser has no WebGPU, not even in software");
    await open.chooseClip(syntheticClip({ frames: 4, height: 32, width: 32, seed: 3 }));
    const onWasm = await measured(open);
    await open.page.getByLabel("Backend").selectOption("webgpu");
    await open.page.getByText(/swiftshader/i).waitFor({ timeout: 100_000 });
    await open.settled();
    const onGpu = await measured(open);
    expect([onWasm.backend, onGpu.backend]).toEqual(["wasm", "webgpu"]);
    const scale = Math.max(...onWasm.values.map((value) => Math.abs(value)));
    expect(scale).toBeGreaterThan(0.5);
    expect(onGpu.values).toHaveLength(onWasm.values.length);
    const largest = Math.max(...onGpu.values.map((value, i) => Math.abs(value - onWasm.values[i]!)));
    expect(largest / scale).toBeLessThan(1e-4);
    expect(Math.abs(onGpu.psnrDb - onWasm.psnrDb)).toBeLessThan(1e-2);
  } finally {
    await open.close();
  }
});

interface Requestable {
  readonly requestAdapter: () => Promise<unknown>;
}

/** What the page has encoded and how well it decodes it. */
async function measured(
  open: OpenPage,
): Promise<{ readonly backend: string; readonly psnrDb: number; readonly values: readonly number[] }> {
  const { backend, psnrDb } = await open.figures();
  await loadBackend("wasm");
  const film = await openAnyFilm(Uint8Array.from(await open.download("Planes, file")));
  const triplane = await film.readWindow(0);
  const values = await Promise.all(planeNames.map((name) => triplane[name].data()));
  disposeTree(triplane);
  return { backend, psnrDb, values: values.flatMap((plane) => [...plane]) };
}
