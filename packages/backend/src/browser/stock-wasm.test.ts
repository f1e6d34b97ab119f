import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { inflate } from "../inflate.js";
import { stockWasm } from "./stock-wasm.js";
import { embeddedWasm } from "./wasm-address.js";

const manifest = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm/package.json");
const installed = readFileSync(join(dirname(manifest), "wasm-out/tfjs-backend-wasm-simd.wasm"));

it("the file that the package holds for pages is that of the installed tfjs-backend-wasm", async () => {
  const held = Buffer.from(await inflate(stockWasm.deflated));
  expect(held.equals(installed)).toBe(true);
  expect(createHash("sha256").update(installed).digest("hex")).toBe(stockWasm.sha256);
});

it("its address gives the bytes as a wasm file until it is released", async () => {
  const { paths, threads, release } = await embeddedWasm();
  expect(threads).toBe(false);
  const address = (paths as Record<string, string>)["tfjs-backend-wasm-simd.wasm"]!;
  const response = await fetch(address);
  expect(response.headers.get("content-type")).toBe("application/wasm");
  expect(Buffer.from(await response.arrayBuffer()).equals(installed)).toBe(true);
  release?.();
  await expect(fetch(address)).rejects.toThrow();
});
