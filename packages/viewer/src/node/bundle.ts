import { join } from "node:path";
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
}
