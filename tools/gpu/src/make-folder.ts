// Makes a folder that measures our backend webgpu on an NVIDIA machine without a network or Node: pnpm gpu-folder FOLDER [PEERS].
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** What NVIDIA's Vulkan driver loads, of Debian; the last ones are theirs in turn. */
const loaders = [
  ...["libvulkan1", "libegl1", "libglvnd0", "libopengl0", "libgl1", "libglx0", "libgles2"],
  ...["libx11-6", "libxext6", "libxcb1", "libxau6", "libxdmcp6", "libbsd0", "libmd0"],
];

/** Parity cases that are small and reach every kernel. */
const cases = [
  ...["tokenizer/encode-basic", "tokenizer/decode-points", "tokenizer/loss-stage1", "triplane"],
  ...["diffusion/sit-forward", "lattice/gradient-small", "lattice/encode-faint"],
];

const own = dirname(dirname(fileURLToPath(import.meta.url)));
const repository = dirname(dirname(own));
const [folder = "gpu-folder", peers] = process.argv.slice(2);
const target = resolve(folder);
if (existsSync(target)) throw new Error(`${target} is there already; name a new folder.`);

const work = mkdtempSync(join(tmpdir(), "coordtok-gpu-"));
try {
  await build({
    entryPoints: [join(own, "src/measure.ts")],
    outfile: join(work, "measure.mjs"),
    bundle: true,
    minify: true,
    keepNames: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@coordtok/source"],
    external: ["webgpu", "@tensorflow/tfjs-node-gpu"],
    // CommonJS inside asks for Node's modules by require.
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  });
  copyFileSync(process.execPath, join(work, "node"));
  execFileSync("strip", [join(work, "node")]);
  chmodSync(join(work, "node"), 0o755);
  const dawn = dirname(createRequire(join(repository, "packages/backend/package.json")).resolve("webgpu/package.json"));
  const packaged = join(work, "node_modules/webgpu");
  mkdirSync(join(packaged, "dist/linux-x64"), { recursive: true });
  for (const file of ["package.json", "index.js", "dist/linux-x64/dawn.node"])
    copyFileSync(join(dawn, file), join(packaged, file));
  copyFileSync(join(repository, "packages/starter/weights/starter.safetensors"), join(work, "starter.safetensors"));
  for (const name of cases) {
    const from = join(repository, "fixtures", name);
    if (existsSync(from)) cpSync(from, join(work, "fixtures", name), { recursive: true });
  }
  mkdirSync(join(work, "debs"));
  execFileSync("apt-get", ["download", ...loaders], {
    cwd: join(work, "debs"),
    stdio: ["ignore", "ignore", "inherit"],
  });
  mkdirSync(join(work, "torch"));
  copyFileSync(join(own, "rows.py"), join(work, "torch/rows.py"));
  if (peers !== undefined)
    for (const name of ["coordtok_torch.py", "sit_torch.py"])
      copyFileSync(join(peers, name), join(work, "torch", name));
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-cJf", join(target, "files.tar.xz"), "-C", work, "."], {
    env: { ...process.env, XZ_OPT: "-4" },
  });
  copyFileSync(join(own, "run.sh"), join(target, "run.sh"));
  chmodSync(join(target, "run.sh"), 0o755);
  writeFileSync(join(target, "COMMAND"), "bash run.sh\n");
  const mebibytes = Math.ceil(statSync(join(target, "files.tar.xz")).size / 2 ** 20);
  console.log(`${target}: ${String(mebibytes)} MiB; run it there with OUT=<folder> bash run.sh`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
