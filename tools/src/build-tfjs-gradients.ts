import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { build, type Plugin } from "esbuild";

/*
 * Writes `packages/core/src/train/tfjs-gradients.js`: the gradients of TensorFlow.js's own operations, bundled from the files of
 * tfjs-core, which Node cannot import (`docs/decisions/0002-gradients.md`). It runs with every installation of the repository.
 */
const core = join(import.meta.dirname, "../../packages/core");
const requireOfCore = createRequire(join(core, "package.json"));
const tfjsCore = "@tensorflow/tfjs-core";
const dist = dirname(requireOfCore.resolve(tfjsCore));
const exported = requireOfCore(tfjsCore) as Readonly<Record<string, object>>;

/** The names that a module declares and exports. */
function exportedNames(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^export (?:const|function|class) (\w+)/gm)].map(([, name]) => name!);
}

/** Names taken from a namespace of the package, as a module. */
function fromNamespace(space: string, names: readonly string[]): string {
  const taken = names.filter((name) => name in exported[space]!).map((name) => `${name} = ${space}.${name}`);
  return `import { ${space} } from "${tfjsCore}";\nexport const ${taken.join(", ")};`;
}

/** Modules of which gradients need no more than this. */
const parts: Readonly<Record<string, string>> = {
  "base.js": `export { backend_util } from "${tfjsCore}";`,
  "engine.js": `import { engine } from "${tfjsCore}";\nexport const ENGINE = engine();`,
  "environment.js": `export { env } from "${tfjsCore}";`,
  "tensor.js": `import { Tensor } from "${tfjsCore}";\nexport const getGlobalTensorClass = () => Tensor;`,
  "util.js": fromNamespace("util", Object.keys(exported["util"]!)),
  "util_base.js": fromNamespace("util", Object.keys(exported["util"]!)),
};

/** What stands for a module of tfjs-core: whatever the package exports is taken from there, so that one engine and one copy are in use. */
function standIn(name: string, file: string): string | undefined {
  if (name.startsWith("gradients/") || name === "register_all_gradients.js") return undefined;
  if (name in parts) return parts[name];
  const names = exportedNames(file);
  if (names.every((each) => each in exported)) return `export { ${names.join(", ")} } from "${tfjsCore}";`;
  if (names.every((each) => each in exported["backend_util"]!)) return fromNamespace("backend_util", names);
  return undefined;
}

const packageInstead: Plugin = {
  name: "package-instead",
  setup: (bundling) => {
    bundling.onLoad({ filter: /[\\/]tfjs-core[\\/]dist[\\/].*\.js$/ }, ({ path }) => {
      const contents = standIn(relative(dist, path).replaceAll("\\", "/"), path);
      return contents === undefined ? undefined : { contents, resolveDir: dirname(path) };
    });
  },
};

const { outputFiles } = await build({
  entryPoints: [join(dist, "register_all_gradients.js")],
  bundle: true,
  format: "esm",
  platform: "neutral",
  target: "es2022",
  external: [tfjsCore],
  plugins: [packageInstead],
  legalComments: "eof",
  write: false,
});
const file = join(core, "src/train/tfjs-gradients.js");
writeFileSync(`${file}.new`, outputFiles[0]!.contents);
renameSync(`${file}.new`, file);
// Without it, the declarations of what imports the file would hold its code.
writeFileSync(file.replace(/\.js$/, ".d.ts"), "export {};\n");
