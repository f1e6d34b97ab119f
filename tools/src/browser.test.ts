import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { build, type BuildResult } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browserNames as names, outcomeOfPage, programOnPath } from "./browser-program.js";
import { codeSmallLattice, decodeSmallTriplane, type DecodedClip } from "./browser-decode.js";

const program = programOnPath(names);

interface Outcome {
  readonly backend: string;
  readonly fused: { readonly active: boolean; readonly text: string };
  readonly clip: DecodedClip;
  readonly lattice: readonly DecodedClip[];
}

/** Bundles `core`, `triplane`, `tokenizer` and the wasm backend for a page. */
function bundlePage(): Promise<BuildResult<{ write: false; metafile: true }>> {
  return build({
    entryPoints: [join(import.meta.dirname, "browser-page.ts")],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: ["@coordtok/source", "module"],
    write: false,
    metafile: true,
    logLevel: "silent",
  });
}

/** Serves the page and its program, and nothing else, on this machine only. */
async function servePage(script: string): Promise<Server> {
  const page = '<!doctype html><title>CoordTok.ts</title><script type="module" src="/page.js"></script>';
  const server = createServer((request, response) => {
    const name = basename(new URL(request.url ?? "/", "http://page").pathname);
    const send = (type: string, body: string): void => {
      response.writeHead(200, { "content-type": type }).end(body);
    };
    if (name === "") send("text/html; charset=utf-8", page);
    else if (name === "page.js") send("text/javascript; charset=utf-8", script);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
}

describe("the bundle for browsers", () => {
  let bundle: BuildResult<{ write: false; metafile: true }>;
  let server: Server | undefined;

  beforeAll(async () => {
    bundle = await bundlePage();
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
    "decodes the same pixels in headless Chromium as in Node, and encodes the same planes of the lattice form",
    { timeout: 60_000 },
    async ({ skip }) => {
      if (program === undefined) return skip(`none of ${names.join(", ")} is on PATH`);
      server = await servePage(bundle.outputFiles[0]!.text);
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
    },
  );

  it("names the address of a wasm file that is not there", { timeout: 60_000 }, async ({ skip }) => {
    if (program === undefined) return skip(`none of ${names.join(", ")} is on PATH`);
    server ??= await servePage(bundle.outputFiles[0]!.text);
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
