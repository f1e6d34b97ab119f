import { createServer, type Server } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { build, type BuildResult } from "esbuild";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programOnPath } from "./browser-program.js";
import { decodeSmallTriplane, type DecodedClip } from "./browser-decode.js";

const names = ["chromium", "chromium-browser", "google-chrome"];
const program = programOnPath(names);
const flags =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

interface Outcome {
  readonly backend: string;
  readonly fused: { readonly active: boolean; readonly text: string };
  readonly clip: DecodedClip;
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

/** Serves the page, its program and the files of tfjs-backend-wasm, on this machine only. */
async function servePage(script: string): Promise<Server> {
  const fromBackend = createRequire(createRequire(import.meta.url).resolve("@coordtok/backend/package.json"));
  const wasmFolder = join(dirname(fromBackend.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "wasm-out");
  const page = '<!doctype html><title>CoordTok.ts</title><script type="module" src="/page.js"></script>';
  const server = createServer((request, response) => {
    const name = basename(request.url ?? "/");
    const send = (type: string, body: string | Buffer): void => {
      response.writeHead(200, { "content-type": type }).end(body);
    };
    if (name === "") send("text/html; charset=utf-8", page);
    else if (name === "page.js") send("text/javascript; charset=utf-8", script);
    else if (name.endsWith(".wasm"))
      readFile(join(wasmFolder, name)).then(
        (body) => send("application/wasm", body),
        () => response.writeHead(404).end(),
      );
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function runInBrowser(address: string): Promise<Outcome> {
  const browser = await chromium.launch({ executablePath: program!, args: flags.split(" ") });
  try {
    const page = await browser.newPage();
    const failures: Error[] = [];
    page.on("pageerror", (error) => failures.push(error));
    await page.goto(address);
    await page
      .waitForFunction(() => "outcome" in globalThis, undefined, { timeout: 30_000 })
      .catch(() => {
        throw failures[0] ?? new Error("The page did not start its program.");
      });
    return await page.evaluate(() => (globalThis as unknown as { outcome: Promise<Outcome> }).outcome);
  } finally {
    await browser.close();
  }
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

  it("decodes the same pixels in headless Chromium as in Node", { timeout: 60_000 }, async ({ skip }) => {
    if (program === undefined) return skip(`none of ${names.join(", ")} is on PATH`);
    server = await servePage(bundle.outputFiles[0]!.text);
    const { port } = server.address() as AddressInfo;
    const inBrowser = await runInBrowser(`http://127.0.0.1:${port}/`);
    await loadBackend("wasm");
    const inNode = await decodeSmallTriplane();

    expect(inBrowser.backend).toBe("wasm");
    expect(inBrowser.fused.active, inBrowser.fused.text).toBe(true);
    expect(inBrowser.clip.shape).toEqual(inNode.shape);
    expect(spread(inNode.values)).toBeGreaterThan(0.05);
    expect(largestDifference(inBrowser.clip.values, inNode.values)).toBeLessThanOrEqual(1e-4);
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
