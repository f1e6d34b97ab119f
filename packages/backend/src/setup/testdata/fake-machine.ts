import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createTar } from "nanotar";
import type { SetupWorld } from "../options.js";
import type { Machine } from "../platform.js";
import { tfjsNodeTarball } from "../tfjs-node-files.js";
import { tensorflowEntries, writeWheel } from "./fake-wheel.js";

/** An ordinary Linux machine. */
export const linux: Machine = { platform: "linux", arch: "x64", glibc: "2.36" };

/** The file name of the fake TensorFlow wheel. */
export const wheelName = "tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";

/** What of `@tensorflow/tfjs-node-gpu` is taken, in small, and something of all that is left. */
export const npmEntries: readonly (readonly [path: string, content: string])[] = [
  ["package.json", '{"version":"4.22.0"}'],
  ["binding/tfjs_backend.cc", ""],
  ["binding/utils.h", ""],
  ["binding.gyp", "left out"],
  ["scripts/install.js", "throw new Error('run')"],
  ["dist/index.js", "left out"],
  ["dist/register_all_kernels.js", 'require("./kernels/Add.js");'],
  ["dist/nodejs_kernel_backend.js", "exports.NodeJSKernelBackend = class {};"],
  ["dist/int64_tensors.js", ""],
  ["dist/kernels/Add.js", 'require("@tensorflow/tfjs");'],
  ["dist/kernels/Add_test.js", "left out"],
  ["dist/../../../../outside.js", "left out"],
];

/** A fake machine: a folder of programs as its whole `PATH`, a cache and an npm package with add-on sources. */
export interface FakeMachine {
  readonly root: string;
  /** The cache folder, which need not exist. */
  readonly cache: string;
  /** The wheel that the fake pip provides. */
  readonly wheel: string;
  readonly world: SetupWorld;
  /** Puts a shell script on the `PATH`. */
  program(name: string, script: string): void;
  /** Returns how often a program was started with arguments that contain a word. */
  starts(word: string): number;
  remove(): void;
}

/** A pip that copies the wheel, or runs `$FAKE_PIP` instead if it is set. */
const pythonScript = `
echo "$*" >> "$FAKE_ROOT/starts"
case "$*" in
  *"pip --version"*) echo "pip 24.0 from /somewhere (python 3.12)"; exit 0;;
  *"pip download"*) ;;
  *) exit 0;;
esac
while [ $# -gt 0 ]; do case "$1" in --dest) dest="$2"; shift;; *) wanted="$1";; esac; shift; done
echo "  Downloading it (18.1 kB)"
if [ -n "$FAKE_PIP" ]; then eval "$FAKE_PIP"; exit $?; fi
case "$wanted" in
  tensorflow*) /bin/cp "$FAKE_ROOT/wheels/"tensorflow_cpu-*.whl "$dest";;
  imageio*) /bin/cp "$FAKE_ROOT/wheels/"imageio_ffmpeg-*.whl "$dest";;
  nvidia*) /bin/cp "$FAKE_ROOT/wheels/"nvidia*.whl "$dest";;
esac
`;

/** An npm that copies the package; `$FAKE_NPM` is run in place of the copying where it is set. */
const npmScript = `
echo "npm $*" >> "$FAKE_ROOT/starts"
if [ -n "$FAKE_NPM" ]; then eval "$FAKE_NPM"; exit $?; fi
for word in "$@"; do case "$word" in --pack-destination=*) /bin/cp "$FAKE_ROOT/npm/"*.tgz "\${word#*=}";; esac; done
`;

/** A compiler that runs `$FAKE_COMPILER`, if set, and writes its output file. */
const compilerScript = `
echo "c++ $*" >> "$FAKE_ROOT/starts"
case "$*" in *--version*) echo "fake 1.0"; exit 0;; esac
if [ -n "$FAKE_COMPILER" ]; then eval "$FAKE_COMPILER" || exit 1; fi
while [ $# -gt 0 ]; do case "$1" in -o) echo addon > "$2"; shift;; esac; shift; done
`;

/** Makes a machine on which everything is installed and works. */
export function fakeMachine(env: Readonly<Record<string, string>> = {}, machine: Machine = linux): FakeMachine {
  const root = mkdtempSync(join(tmpdir(), "coordtok-setup-"));
  const [bin, wheels, npm] = ["bin", "wheels", "npm"].map((name) => join(root, name)) as [string, string, string];
  for (const folder of [bin, wheels, npm]) mkdirSync(folder);
  const packed = gzipSync(createTar(npmEntries.map(([path, data]) => ({ name: `package/${path}`, data }))));
  writeFileSync(join(npm, tfjsNodeTarball), packed);
  const wheel = join(wheels, wheelName);
  writeWheel(wheel, tensorflowEntries);
  const program = (name: string, script: string): void => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}`);
    chmodSync(join(bin, name), 0o755);
  };
  program("python3", pythonScript);
  program("c++", compilerScript);
  program("npm", npmScript);
  return {
    root,
    cache: join(root, "cache"),
    wheel,
    world: {
      env: { PATH: bin, HOME: root, FAKE_ROOT: root, ...env },
      machine,
      /** Declares the wheels in their present state to be the published ones. */
      get knownWheels() {
        return Object.fromEntries(readdirSync(wheels).map((name) => [name, sha256Of(join(wheels, name))]));
      },
      freeBytes: () => Promise.resolve(1e12),
      tfjsNodeSum: createHash("sha512").update(packed).digest("base64"),
      selfTest: () => Promise.resolve({ tensorflow: "2.18.1", devices: ["made up"], gigaflops: 100 }),
      fusedTest: () => Promise.resolve(),
    },
    program,
    starts: (word) => linesOf(join(root, "starts")).filter((line) => line.includes(word)).length,
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Computes the SHA-256 of a file. */
export function sha256Of(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
}
