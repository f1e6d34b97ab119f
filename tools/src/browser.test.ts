import type { Server } from "node:http";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  addressOf,
  browserNames as names,
  bundleForBrowser,
  outcomeOfPage,
  programOnPath,
  servePage,
  type BrowserBundle,
} from "./browser-program.js";
import {
  codeSmallLattice,
  decodeSmallTriplane,
  streamSmallFilm,
  type DecodedClip,
  type FilmFrame,
} from "./browser-decode.js";

const program = programOnPath(names);

interface Outcome {
  readonly backend: string;
  readonly fused: { readonly active: boolean; readonly text: string };
  readonly clip: DecodedClip;
  readonly lattice: readonly DecodedClip[];
  readonly film: readonly FilmFrame[];
}

describe("the bundle for browsers", () => {
  let bundle: BrowserBundle;
  let server: Server | undefined;

  beforeAll(async () => {
    bundle = await bundleForBrowser(join(import.meta.dirname, "browser-page.ts"));
  });

  afterAll(() => {
    server?.close();
  });

  it("holds no Node built-in and no file for Node", () => {
    const output = Object.values(bundle.metafile.outputs)[0]!;
    expect(output.imports.filter(({ external }) => external)).toEqual([]);
    expect(bundle.outputFiles[0]!.text).not.toMatch(/["'`]node:/);
    const inputs = Object.keys(bundle.metafile.inputs);
    expect(inputs.filter((path) => /packages\/[^/]+\/src\/(node|setup)\//.test(path))).toEqual([]);
    for (const name of ["core", "triplane", "tokenizer", "backend"])
      expect(inputs.some((path) => path.includes(`packages/${name}/src/`))).toBe(true);
  });

  it(
    "decodes the same pixels in headless Chromium as in Node, encodes the same planes of the lattice form, and streams the same film",
    { timeout: 60_000 },
    async ({ skip }) => {
      if (program === undefined) return skip(`none of ${names.join(", ")} is on PATH`);
      server = await servePage({ script: bundle.outputFiles[0]!.text });
      const inBrowser = await outcomeOfPage<Outcome>(program, addressOf(server));
      await loadBackend("wasm");
      const inNode = await decodeSmallTriplane();

      expect(inBrowser.backend).toBe("wasm");
      expect(inBrowser.fused.active, inBrowser.fused.text).toBe(true);
      expect(inBrowser.clip.shape).toEqual(inNode.shape);
      expect(spread(inNode.values)).toBeGreaterThan(0.05);
      expect(largestDifference(inBrowser.clip.values, inNode.values)).toBeLessThanOrEqual(1e-4);
      const lattice = await codeSmallLattice();
      expect(inBrowser.lattice.map(({ shape }) => shape)).toEqual(lattice.map(({ shape }) => shape));
      expect(lattice.at(-1)!.shape).toEqual([1, 2, 20, 28, 3]);
      for (const [i, { values }] of lattice.entries()) {
        expect(spread(values)).toBeGreaterThan(0.05);
        expect(largestDifference(inBrowser.lattice[i]!.values, values)).toBeLessThanOrEqual(1e-4);
      }
      const film = await streamSmallFilm();
      const times = Array.from({ length: 13 }, (_, i) => i / 10);
      for (const frames of [film, inBrowser.film]) expect(frames.map((frame) => frame.timestampSeconds)).toEqual(times);
      for (const [i, { values }] of film.entries()) {
        expect([values.length, spread(values) > 5]).toEqual([20 * 28 * 3, true]);
        expect(largestDifference(inBrowser.film[i]!.values, values)).toBeLessThanOrEqual(1);
      }
    },
  );

  it("names the address of a wasm file that is not there", { timeout: 60_000 }, async ({ skip }) => {
    if (program === undefined) return skip(`none of ${names.join(", ")} is on PATH`);
    server ??= await servePage({ script: bundle.outputFiles[0]!.text });
    const address = addressOf(server);
    await expect(outcomeOfPage<Outcome>(program, `${address}?wasmPaths=missing/`)).rejects.toThrow(
      `does not start from "${address}missing/tfjs-backend-wasm-simd.wasm"; serve`,
    );
  });
});

/** The standard deviation; a clip of one colour would prove nothing. */
function spread(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}
