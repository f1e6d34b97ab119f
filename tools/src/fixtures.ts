import { openSafetensors } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

/** A stored tensor: its shape and its values, row by row. */
export interface FixtureTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array;
}

/** The tensors of one file of a parity case. */
export interface FixtureTensors {
  readonly names: readonly string[];
  /** Returns a tensor by name. @throws when the file does not have it. */
  get(name: string): FixtureTensor;
}

/** A parity case with all its tensors in memory (`docs/spec.md#reading-a-case`). */
export interface Fixture {
  /** `case.json`. */
  readonly facts: {
    readonly id: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly runs: readonly { readonly name: string; readonly inputs: Readonly<Record<string, unknown>> }[];
    readonly outputs: Readonly<Record<string, { readonly atol: number; readonly rtol: number }>>;
  };
  readonly inputs: FixtureTensors;
  readonly weights: FixtureTensors;
  readonly outputs: FixtureTensors;
}

const root = new URL("../../fixtures/", import.meta.url);

/** Reads a parity case of this repository, for example `triplane/lookup`. */
export async function readFixture(id: string): Promise<Fixture> {
  const folder = new URL(`${id}/`, root);
  const facts = JSON.parse(await readFile(new URL("case.json", folder), "utf8")) as Fixture["facts"];
  const [inputs, weights, outputs] = await Promise.all(
    ["inputs", "weights", "outputs"].map((name) => readTensors(new URL(`${name}.safetensors`, folder))),
  );
  return { facts, inputs: inputs!, weights: weights!, outputs: outputs! };
}

async function readTensors(url: URL): Promise<FixtureTensors> {
  const source = await openFileSource(fileURLToPath(url));
  try {
    const file = await openSafetensors(source);
    const tensors = new Map<string, FixtureTensor>();
    for (const [name, { dtype, shape }] of file.entries) {
      const numbers = await file.readNumbers(name);
      const data = dtype === "F64" ? numbers : dtype === "F32" ? Float32Array.from(numbers) : Int32Array.from(numbers);
      tensors.set(name, { shape, data });
    }
    return {
      names: [...tensors.keys()],
      get: (name) => {
        const found = tensors.get(name);
        if (!found) throw new Error(`There is no tensor "${name}" in ${file.name}.`);
        return found;
      },
    };
  } finally {
    await source.close();
  }
}

/** Expects computed values to be within the tolerance of a stored result: `atol + rtol * |stored|`, element by element. */
export function expectOutput(fixture: Fixture, name: string, computed: ArrayLike<number>): void {
  const stored = fixture.outputs.get(name).data;
  const { atol, rtol } = fixture.facts.outputs[name]!;
  expect(computed.length, name).toBe(stored.length);
  for (let i = 0; i < stored.length; i++) {
    const error = Math.abs(computed[i]! - stored[i]!);
    // The condition is written so that NaN fails.
    if (!(error <= atol + rtol * Math.abs(stored[i]!)))
      expect.fail(`${name}[${i}] is ${computed[i]!}, expected ${stored[i]!} within ${atol}`);
  }
}
