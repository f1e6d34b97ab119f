import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, resolve, sep } from "node:path";
import { build as buildWithEsbuild } from "esbuild";
import { build as buildWithVite } from "vite";
import webpack from "webpack";
import { browserNames, outcomeOfPage, programOnPath } from "./browser-program.js";

/** The program of a page as someone writes it who has read no more than the first lines of a README. */
const pageProgram = `import { loadBackend } from "@coordtok/backend";
import { lossAndGradients } from "@coordtok/core/train";
import { starter } from "@coordtok/starter";
import { matMul, ones, square, sum, tensor } from "@tensorflow/tfjs-core";

async function main() {
  const { name, fused } = await loadBackend("wasm");
  const product = matMul(ones([2, 3]), ones([3, 2]));
  const { gradients } = lossAndGradients({ x: tensor([1, 2]) }, ({ x }) => sum(square(x)));
  const values = [...(await product.data()), ...(await gradients.x.data())];
  return { name, fused: fused.active, values, starter: starter.href };
}
globalThis.outcome = main();
`;

const page = '<!doctype html><title>CoordTok.ts</title><script type="module" src="./page.js"></script>\n';

/** An optional peer, which the project has not installed. */
const missing = "@tensorflow/tfjs-backend-webgpu";

interface Outcome {
  readonly name: string;
  readonly fused: boolean;
  readonly values: readonly number[];
  readonly starter: string;
}

/** Bundles a page as the tool does by default, into a folder with an `index.html`. */
type Bundler = (project: string, out: string) => Promise<void>;

const bundlers: Readonly<Record<string, Bundler>> = {
  esbuild: async (project, out) => {
    const [entry, outfile] = [join(project, "page.js"), join(out, "page.js")];
    await buildWithEsbuild({ entryPoints: [entry], bundle: true, format: "esm", external: [missing], outfile });
    writeFileSync(join(out, "index.html"), page);
  },
  vite: async (project, out) => {
    const rolldownOptions = { external: [missing] };
    await buildWithVite({
      root: project,
      configFile: false,
      logLevel: "error",
      build: { outDir: out, emptyOutDir: false, rolldownOptions },
    });
  },
  webpack: async (project, out) => {
    const compiler = webpack({
      context: project,
      mode: "production",
      entry: "./page.js",
      output: { path: out, filename: "page.js" },
      externals: { [missing]: "undefined" },
      performance: false,
    });
    const stats = await new Promise<webpack.Stats | undefined>((done, fail) => {
      compiler.run((error, result) => {
        if (error) fail(error);
        else done(result);
      });
    });
    await new Promise((done) => compiler.close(done));
    if (stats?.hasErrors() === true) throw new Error(stats.toString("errors-only"));
    writeFileSync(join(out, "index.html"), page);
  },
};

/**
 * Bundles a page with every bundler and opens it in a browser: the backend wasm has to load and compute without anything being copied or
 * set, and the weights of the starter have to have an address.
 * @returns what went wrong, empty when nothing did.
 */
export async function checkBundlers(project: string): Promise<string> {
  const browser = programOnPath(browserNames);
  if (browser === undefined) return `The bundled pages need a browser: none of ${browserNames.join(", ")} is on PATH.`;
  writeFileSync(join(project, "page.js"), pageProgram);
  writeFileSync(join(project, "index.html"), page);
  const found: string[] = [];
  for (const [name, bundle] of Object.entries(bundlers)) {
    const out = join(project, `bundle-${name}`);
    mkdirSync(out);
    let server: Server | undefined;
    try {
      await bundle(project, out);
      server = await serveFolder(out);
      const { port } = server.address() as AddressInfo;
      const outcome = await outcomeOfPage<Outcome>(browser, `http://127.0.0.1:${port}/index.html`);
      const { starter, ...rest } = outcome;
      if (JSON.stringify(rest) !== JSON.stringify({ name: "wasm", fused: true, values: [3, 3, 3, 3, 2, 4] }))
        found.push(`A page bundled with ${name} gives ${JSON.stringify(outcome)}.`);
      // esbuild leaves `new URL(…, import.meta.url)` as it is: there the user copies the weights.
      const weights = await fetch(starter, { method: "HEAD" });
      if (name !== "esbuild" && !weights.ok) found.push(`A page bundled with ${name} has no weights at ${starter}.`);
    } catch (thrown) {
      found.push(`A page bundled with ${name} does not run: ${String(thrown)}`);
    } finally {
      server?.close();
    }
  }
  return found.join("\n");
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** Serves the files of a folder on this machine alone. */
async function serveFolder(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = resolve(folder, `.${decodeURIComponent(new URL(request.url ?? "/", "http://page").pathname)}`);
    try {
      if (!path.startsWith(folder + sep)) throw new Error("outside");
      const body = readFileSync(path);
      response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return server;
}
