import { readdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build, type InlineConfig } from "vite";

const folder = join(import.meta.dirname, "../..");

/** What the page and the worker have in common: they are built from the sources of the packages. */
const common: InlineConfig = {
  root: folder,
  configFile: false,
  logLevel: "error",
  base: "./",
  resolve: { conditions: ["@coordtok/source", "module", "browser", "production"] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
};

/** Builds the page, a folder of static files, into a folder; what was there is replaced. */
export async function buildPage(out: string): Promise<void> {
  await build({
    ...common,
    build: {
      outDir: out,
      emptyOutDir: true,
      target: "es2022",
      sourcemap: true,
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 4096,
      modulePreload: { polyfill: false },
    },
  });
  await completeSourceMaps(out);
}

/** Builds the program of `@coordtok/viewer/worker` into a folder, complete with all packages that it computes with. */
export async function buildWorker(out: string): Promise<void> {
  await build({
    ...common,
    build: {
      outDir: out,
      emptyOutDir: false,
      target: "es2022",
      sourcemap: true,
      chunkSizeWarningLimit: 4096,
      lib: { entry: join(folder, "src/worker/program.ts"), formats: ["es"], fileName: () => "program.js" },
      rolldownOptions: { output: { chunkFileNames: "program-[hash].js" } },
    },
  });
  await completeSourceMaps(out);
}

/** Programs that hold no line of a source get a source map that says so; Vite writes none for them. */
async function completeSourceMaps(out: string): Promise<void> {
  for (const name of await readdir(out, { recursive: true })) {
    const path = join(out, name);
    if (!name.endsWith(".js") || (await stat(`${path}.map`).catch(() => undefined)) !== undefined) continue;
    const map = { version: 3, file: basename(name), sources: [], names: [], mappings: "" };
    await writeFile(`${path}.map`, JSON.stringify(map));
  }
}
