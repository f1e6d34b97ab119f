import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { problems, root, run, runTool, temporaryFolder, type Outcome } from "./check-command.js";
import { packPackages, type PackedPackage } from "./check-packages.js";
import { checkBundlers } from "./pack-bundles.js";
import { firstSnippet } from "./pack-readme.js";
import { checkRuntimes } from "./pack-runtimes.js";

/**
 * Installs the packed packages with npm in an empty project outside the workspace and uses them as an outsider would: type-checks
 * and runs `pack-snippet.ts` and the first snippet of every README, imports every entry, calls the command.
 * @returns the problems, empty when there are none.
 */
export async function checkPackedPackages(): Promise<string> {
  const packages = await packPackages();
  const project = temporaryFolder("packed");
  const installed = await install(project, packages);
  if (!installed.ok) return `npm install of the tarballs failed.\n${installed.output}`;
  // What the first one saves has to survive the second.
  const again = await run("npm", ["install", ...npmOptions], { cwd: project });
  if (!again.ok) return `A second npm install in the project failed.\n${again.output}`;
  const programs = writePrograms(project, packages);
  const found = [
    await makeSampleVideos(project),
    await checkTypes(project, "bundler"),
    await checkTypes(project, "NodeNext"),
  ];
  for (const program of programs)
    found.push(
      titled(
        `node ${program}`,
        await run(process.execPath, [join("out", program)], { cwd: project, limitSeconds: 180 }),
      ),
    );
  found.push(await checkCommand(project), await checkBrowserBundle(project), await checkBundlers(project));
  found.push(await checkRuntimes(project));
  return found.filter(Boolean).join("\n");
}

const npmOptions = ["--no-audit", "--no-fund", "--loglevel=error"];

async function install(project: string, packages: readonly PackedPackage[]): Promise<Outcome> {
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  const nodeTypes = `@types/node@${rootManifest().devDependencies["@types/node"]}`;
  return run("npm", ["install", ...npmOptions, ...packages.map(({ tarball }) => tarball), nodeTypes], { cwd: project });
}

function rootManifest(): { devDependencies: Record<"@types/node", string> } {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as ReturnType<typeof rootManifest>;
}

/** Writes the programs to run as TypeScript; returns the names of the JavaScript files that they compile to. */
function writePrograms(project: string, packages: readonly PackedPackage[]): string[] {
  const programs = ["entries.js", "pack-snippet.js"];
  // What setup has put into the cache serves a project that does not depend on it; where the native backend is asked for, it must load.
  if ((process.env["COORDTOK_TEST_BACKENDS"] ?? "").split(",").includes("tensorflow")) {
    writeFileSync(join(project, "native.ts"), nativeProgram);
    programs.push("native.js");
  }
  mkdirSync(join(project, "out"));
  writeFileSync(join(project, "entries.ts"), entryImports(packages));
  copyFileSync(join(import.meta.dirname, "pack-snippet.ts"), join(project, "pack-snippet.ts"));
  for (const { name, folder } of packages) {
    const readme = join(folder, "README.md");
    const snippet = existsSync(readme) ? firstSnippet(readFileSync(readme, "utf8")) : undefined;
    if (snippet === undefined) continue;
    const file = `readme-${name.replace(/\W+/g, "-").replace(/^-/, "")}`;
    // JavaScript of a package is run as it is; TypeScript is checked and compiled first.
    if (snippet.language === "ts") writeFileSync(join(project, `${file}.ts`), snippet.code);
    else writeFileSync(join(project, "out", `${file}.js`), snippet.code);
    if (snippet.runs) programs.push(`${file}.js`);
  }
  return programs;
}

const nativeProgram = `import { loadBackend } from "@coordtok/backend";
import { matMul, ones } from "@tensorflow/tfjs-core";

const { name } = await loadBackend("tensorflow");
const values = await matMul(ones([2, 3]), ones([3, 2])).data();
if (name !== "tensorflow" || values.join() !== "3,3,3,3") throw new Error(\`\${name} computes \${values.join()}\`);
`;

/** Makes a program that imports every public entry of every package and fails when one exports nothing. */
function entryImports(packages: readonly PackedPackage[]): string {
  const entries = packages.flatMap(({ name, folder }) => {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      publishConfig: { exports: object };
    };
    return Object.keys(manifest.publishConfig.exports)
      .filter((path) => !path.endsWith(".json"))
      .map((path) => name + path.slice(1));
  });
  const imports = entries
    .map(
      (entry) =>
        `if (Object.keys(await import("${entry}")).length === 0) throw new Error("${entry} exports nothing");\n`,
    )
    .join("");
  return `${imports}export {};\n`;
}

/** Makes the files that snippets may read: `clip.mp4`, 32 frames of 128x96, and a folder `videos` with two more. */
async function makeSampleVideos(project: string): Promise<string> {
  mkdirSync(join(project, "videos"));
  const sources = { "clip.mp4": "testsrc2", "videos/one.mp4": "testsrc", "videos/two.mp4": "smptebars" };
  const made = Object.entries(sources).map(([file, source]) => {
    const input = `${source}=size=128x96:rate=16:duration=2`;
    return run("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", input, "-pix_fmt", "yuv420p", file], { cwd: project });
  });
  return (await Promise.all(made)).map((outcome) => titled("ffmpeg for the sample videos", outcome)).join("");
}

/** Finds type errors in the project and in the declarations of our packages; those of other packages are ignored. */
async function checkTypes(project: string, moduleResolution: "NodeNext" | "bundler"): Promise<string> {
  const bundler = moduleResolution === "bundler";
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2022", "ESNext.Disposable", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
    module: bundler ? "ESNext" : "NodeNext",
    moduleResolution,
    strict: true,
    types: ["node"],
    ...(bundler ? { noEmit: true } : { outDir: "out" }),
  };
  const config = `tsconfig.${moduleResolution}.json`;
  writeFileSync(join(project, config), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const { ok, output } = await runTool("tsc", ["-p", config, "--pretty", "false"], { cwd: project });
  if (ok) return "";
  const ours = output
    .split(/\n(?=\S)/)
    .filter((error) => !error.startsWith("node_modules/") || /^node_modules\/(@coordtok|coordtok)\//.test(error));
  return ours.length === 0 ? "" : `tsc, ${moduleResolution}:\n${ours.join("\n").trim()}`;
}

/** The entries that a page may import; a bundler must find no Node built-in behind them. */
const browserEntries = [
  "@coordtok/core",
  "@coordtok/core/nn",
  "@coordtok/core/train",
  "@coordtok/core/torch",
  "@coordtok/core/checks",
  "@coordtok/core/text",
  "@coordtok/triplane",
  "@coordtok/bitstream",
  "@coordtok/tokenizer",
  "@coordtok/tokenizer/train",
  "@coordtok/tokenizer/refine",
  "@coordtok/diffusion",
  "@coordtok/diffusion/train",
  "@coordtok/metrics",
  "@coordtok/video",
  "@coordtok/backend",
  "@coordtok/starter",
];

async function checkBrowserBundle(project: string): Promise<string> {
  const contents = browserEntries
    .map((entry, i) => `import * as e${i} from "${entry}"; console.log(e${i});`)
    .join("\n");
  try {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: project },
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      // This optional peer is not installed in the project.
      external: ["@tensorflow/tfjs-backend-webgpu"],
      write: false,
      logLevel: "silent",
    });
    return outputFiles.some(({ text }) => /["'`]node:/.test(text))
      ? "The bundle for browsers imports a Node built-in."
      : "";
  } catch (error) {
    return `The packages cannot be bundled for browsers: ${String(error)}`;
  }
}

async function checkCommand(project: string): Promise<string> {
  const help = await run("npx", ["--no-install", "coordtok", "--help"], { cwd: project });
  if (!help.ok) return titled("npx coordtok --help", help);
  return /reconstruct/.test(help.output) ? "" : `npx coordtok --help does not list its commands.\n${help.output}`;
}

function titled(title: string, outcome: Outcome): string {
  return outcome.ok ? "" : `${title} failed:\n${problems(outcome)}`;
}
