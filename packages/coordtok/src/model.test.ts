import type { LoadedBackend } from "@coordtok/backend";
import { preset } from "@coordtok/tokenizer";
import { expect, it } from "vitest";
import { checkMemory } from "./model.js";

const wasm = { name: "wasm", freeBytes: () => 3.5 * 2 ** 30 } as LoadedBackend;

it("work that does not fit is refused with figures and alternatives", () => {
  expect(() => {
    checkMemory(preset("L"), { task: "train", clips: 1, points: 1024 }, wasm);
  }).toThrow(
    /^Training needs about [\d.]+ GB \(weights 3\.4 GB, activations [\d.]+ GB, optimizer and gradients [\d.]+ GB\), but the backend wasm has 3\.8 GB left; use a smaller batch or fewer points, a smaller model or the backend tensorflow\.$/,
  );
});

it("each half of L fits when both do not, and nothing is refused when the free memory is unknown", () => {
  checkMemory(preset("L"), { task: "encode" }, wasm);
  checkMemory(preset("L"), { task: "decode", sliceSize: 1024 }, wasm);
  checkMemory(preset("L"), { task: "train", clips: 64, points: 4096 }, { ...wasm, freeBytes: () => undefined });
});
