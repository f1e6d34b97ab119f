// The program of the page that runs the parity cases of the lattice form in a browser.
import { loadBackend } from "@coordtok/backend";
import { openSafetensors, type SafetensorsFile } from "@coordtok/core";
import { memory } from "@tensorflow/tfjs-core";
import { latticeHandlers } from "./handlers/lattice.js";
import { caseOf, parseCase } from "./parity-case.js";
import { runCase } from "./run-case.js";
import type { ParityResult } from "./types.js";

/** What the page found. */
export interface BrowserParity {
  readonly backend: string;
  readonly cases: readonly ParityResult[];
  /** The tensors that the cases left behind. */
  readonly leftTensors: number;
}

/** A case as the page's list of cases names it, with the names of its files. */
export interface ServedCase {
  readonly json: string;
  readonly inputs: string;
  readonly weights: string;
  readonly outputs: string;
}

async function bytesOf(name: string): Promise<Uint8Array> {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function main(): Promise<BrowserParity> {
  const backend = await loadBackend("wasm", { purpose: "training" });
  const served = (await (await fetch("cases.json")).json()) as ServedCase[];
  const before = memory().numTensors;
  const cases: ParityResult[] = [];
  for (const { json, inputs, weights, outputs } of served) {
    const open = async (name: string): Promise<SafetensorsFile> => openSafetensors(await bytesOf(name));
    const files = { inputs: await open(inputs), weights: await open(weights), expected: await open(outputs) };
    const parityCase = caseOf(parseCase(new TextDecoder().decode(await bytesOf(json)), json), files);
    cases.push(await runCase(parityCase, latticeHandlers[parityCase.kind]!));
  }
  return { backend: backend.tfName, cases, leftTensors: memory().numTensors - before };
}

Object.assign(globalThis, { outcome: main() });
