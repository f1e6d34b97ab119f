import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CoordTokError, isCoordTokError, type ProgressEvent } from "@coordtok/core";
import { afterEach, describe, expect, it } from "vitest";
import { fusedFiles, fusedProblem } from "../node/fused-library.js";
import type { SetupOptions } from "./options.js";
import { setupIn } from "./setup.js";
import { fakeMachine, wheelName, type FakeMachine } from "./testdata/fake-machine.js";
import { tensorflowEntries, writeWheel } from "./testdata/fake-wheel.js";

const machines: FakeMachine[] = [];

function machine(...args: Parameters<typeof fakeMachine>): FakeMachine {
  const made = fakeMachine(...args);
  machines.push(made);
  return made;
}

afterEach(() => {
  for (const made of machines.splice(0)) made.remove();
});

async function failure(
  made: FakeMachine,
  options: SetupOptions = {},
  world: Partial<FakeMachine["world"]> = {},
): Promise<CoordTokError> {
  const thrown: unknown = await setupIn({ ...made.world, ...world }, { cacheDir: made.cache, ...options }).catch(
    (error: unknown) => error,
  );
  expect(isCoordTokError(thrown), String(thrown)).toBe(true);
  return thrown as CoordTokError;
}

/** The entries left in the cache, without the lock. */
function left(made: FakeMachine): string[] {
  const folder = join(made.cache, "native");
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

describe("setup", () => {
  it("leaves the libraries, the required headers, the add-on and the facts, and nothing else", async () => {
    const made = machine();
    const notes: string[] = [];
    const events: ProgressEvent[] = [];
    const report = await setupIn(made.world, {
      cacheDir: made.cache,
      onNote: (text) => notes.push(text),
      onProgress: (event) => events.push(event),
    });
    const { installation } = report;
    expect(report.alreadySetUp).toBe(false);
    expect(installation).toMatchObject({ tensorflow: "2.18.1", device: "cpu", tfjsNode: "4.22.0", compiler: "c++" });
    const files = readdirSync(installation.directory, { recursive: true }).map(String).sort();
    const kernels = files.filter((name) => name.startsWith("coordtok_kernels-"));
    expect(kernels.map((name) => name.replace(/-[0-9a-f]{12}/, ""))).toEqual([
      "coordtok_kernels.json",
      "coordtok_kernels.node",
    ]);
    expect(files.filter((name) => /\.\w+$/.test(name) && !kernels.includes(name))).toEqual([
      "setup.json",
      "tensorflow/include/tensorflow/c/beside.h",
      "tensorflow/include/tensorflow/c/c_api.h",
      "tensorflow/include/tensorflow/c/deep.h",
      "tensorflow/libtensorflow_cc.so.2",
      "tensorflow/libtensorflow_framework.so.2",
      "tfjs-node/dist/int64_tensors.js",
      "tfjs-node/dist/kernels/Add.js",
      "tfjs-node/dist/nodejs_kernel_backend.js",
      "tfjs-node/dist/proto/api_pb.js",
      "tfjs-node/dist/register_all_kernels.js",
      "tfjs-node/node_modules/@tensorflow/tfjs.js",
      "tfjs-node/package.json",
      "tfjs_binding.node",
    ]);
    expect(left(made)).toEqual(["current-linux-x64.json", installation.directory.split("/").at(-1)]);
    expect(notes.join("\n")).toMatch(
      /downloads about 235 MB, keeps about 690 MB[^]*Kept .* the downloaded wheels were deleted/,
    );
    expect(events.map(({ task }) => task)).toContain("unpack tensorflow_cpu 2.18.1");
  });

  it("does nothing the second time, in the time that it takes to read the files", async () => {
    const made = machine();
    await setupIn(made.world, { cacheDir: made.cache });
    const again = await setupIn(made.world, { cacheDir: made.cache });
    expect(again.alreadySetUp).toBe(true);
    expect(again.seconds).toBeLessThan(5);
    expect(made.starts("pip download")).toBe(1);
  });

  it("starts over with force, or if a file has changed its size or the add-on its content", async () => {
    const made = machine();
    const first = await setupIn(made.world, { cacheDir: made.cache });
    const forced = await setupIn(made.world, { cacheDir: made.cache, force: true });
    expect(forced.installation.directory).not.toBe(first.installation.directory);
    expect(existsSync(first.installation.directory)).toBe(false);
    truncateSync(join(forced.installation.directory, "tensorflow/libtensorflow_cc.so.2"), 10);
    const mended = await setupIn(made.world, { cacheDir: made.cache });
    expect(mended.alreadySetUp).toBe(false);
    writeFileSync(mended.installation.addon, "ADDON\n");
    expect((await setupIn(made.world, { cacheDir: made.cache })).alreadySetUp).toBe(false);
  });

  it("compiles the fused operations into an installation that lacks them, without anything else", async () => {
    const made = machine();
    const first = await setupIn(made.world, { cacheDir: made.cache });
    const { library, facts } = fusedFiles(first.installation.directory);
    rmSync(library);
    rmSync(facts);
    expect(fusedProblem(first.installation.directory)).toMatch(/not been compiled .* run "npx coordtok setup"/);
    const again = await setupIn(made.world, { cacheDir: made.cache });
    expect(again).toMatchObject({ alreadySetUp: false, installation: { directory: first.installation.directory } });
    expect(existsSync(library)).toBe(true);
    expect(fusedProblem(first.installation.directory)).toBeUndefined();
    expect(made.starts("pip download")).toBe(1);
  });

  it.each([
    [
      "do not compile",
      { FAKE_COMPILER: 'case "$*" in *kernels.cc*) echo "kernels.cc:1: error: broken" >&2; false;; esac' },
      {},
    ],
    ["do not work", {}, { fusedTest: () => Promise.reject(new CoordTokError("setup", "error: broken")) }],
  ])("keeps an installation whose fused operations %s, and says why", async (_, env, world) => {
    const made = machine(env);
    const notes: string[] = [];
    const options = { cacheDir: made.cache, onNote: (text: string) => notes.push(text) };
    const { installation } = await setupIn({ ...made.world, ...world }, options);
    expect(fusedProblem(installation.directory)).toMatch(/error: broken/);
    expect(existsSync(fusedFiles(installation.directory).library)).toBe(false);
    expect(notes.join("\n")).toMatch(/fused operations are not in use, so computing is slower: .*error: broken/);
    expect((await setupIn(made.world, { cacheDir: made.cache })).installation.directory).toBe(installation.directory);
  });

  it("keeps a chosen version when none is chosen later", async () => {
    const made = machine();
    const renamed = join(dirname(made.wheel), "tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl");
    writeWheel(renamed, tensorflowEntries);
    rmSync(made.wheel);
    const asked = await setupIn(made.world, { cacheDir: made.cache, tensorflow: "2.21.0" });
    expect(asked.installation.tensorflow).toBe("2.21.0");
    const later = await setupIn(made.world, { cacheDir: made.cache });
    expect(later).toMatchObject({ alreadySetUp: true, installation: { tensorflow: "2.21.0" } });
  });

  it("needs no pip with a wheel given as a file, and leaves that file alone", async () => {
    const made = machine({ FAKE_PIP: "exit 1" });
    const report = await setupIn(made.world, { cacheDir: made.cache, wheel: made.wheel });
    expect(report.installation.wheels.map(({ name }) => name)).toEqual([wheelName]);
    expect(existsSync(made.wheel)).toBe(true);
    expect(made.starts("pip")).toBe(0);
  });

  it("downloads the CUDA wheels that TensorFlow's metadata names, and unpacks them beside it", async () => {
    const made = machine();
    rmSync(made.wheel);
    writeWheel(join(dirname(made.wheel), "tensorflow_cpu-0.whl"), []);
    const gpuWheel = join(made.root, "tensorflow-2.18.1-cp312-cp312-manylinux_2_17_x86_64.whl");
    writeWheel(gpuWheel, tensorflowEntries);
    writeWheel(join(dirname(made.wheel), "nvidia_fake_cu12-1.0-py3-none-manylinux1_x86_64.whl"), [
      { name: "nvidia/fake/lib/libfake.so.12", content: "cuda" },
      { name: "nvidia/fake/include/fake.h", content: "left out" },
    ]);
    const notes: string[] = [];
    const { installation } = await setupIn(made.world, {
      cacheDir: made.cache,
      device: "gpu",
      wheel: gpuWheel,
      onNote: (text) => notes.push(text),
    });
    expect(installation.device).toBe("gpu");
    expect(readFileSync(join(installation.directory, "nvidia/fake/lib/libfake.so.12"), "utf8")).toBe("cuda");
    expect(existsSync(join(installation.directory, "nvidia/fake/include"))).toBe(false);
    expect(installation.files.map(({ path }) => path)).toContain("nvidia/fake/lib/libfake.so.12");
    expect(notes[0]).toMatch(/No NVIDIA driver was found \(no nvidia-smi on PATH.*install NVIDIA's driver/);
  });

  it("chooses the wheel with CUDA if nvidia-smi finds a GPU", async () => {
    const made = machine();
    made.program("nvidia-smi", 'echo "NVIDIA L4, 550.54.15"\n');
    await failure(made, { tensorflow: "2.18.1" });
    expect(made.starts("tensorflow==2.18.1")).toBeGreaterThan(0);
    expect(made.starts("tensorflow-cpu==")).toBe(0);
  });

  it("is stopped by its signal and leaves only complete wheels", async () => {
    const made = machine();
    const controller = new AbortController();
    const error = await failure(made, {
      signal: controller.signal,
      onProgress: ({ task }) => task.startsWith("compile") && controller.abort(),
    });
    expect(error.code).toBe("aborted");
    expect(left(made)).toEqual(["downloads"]);
    await setupIn(made.world, { cacheDir: made.cache });
    expect(made.starts("pip download")).toBe(1);
  });

  it("run twice at once does the work once", async () => {
    const made = machine({ FAKE_COMPILER: "/bin/sleep 0.5" });
    const notes: string[] = [];
    const options = { cacheDir: made.cache, onNote: (text: string): void => void notes.push(text) };
    const [one, two] = await Promise.all([setupIn(made.world, options), setupIn(made.world, options)]);
    expect([one.alreadySetUp, two.alreadySetUp].sort()).toEqual([false, true]);
    expect(one.installation.directory).toBe(two.installation.directory);
    expect(notes.filter((text) => text.includes("Another setup"))).toHaveLength(1);
    expect(made.starts("pip download")).toBe(1);
  });
});

describe("a setup that cannot succeed says in one sentence why and what to do", () => {
  const cases: [string, () => Promise<CoordTokError>, RegExp][] = [
    ["no npm", () => failure(without("npm")), /npm, which comes with Node, is needed.*PATH, or put the file .*\.tgz/],
    [
      "an npm without network",
      () => failure(machine({ FAKE_NPM: "echo npm error code ENOTFOUND >&2; exit 1" })),
      /npm could not fetch @tensorflow\/tfjs-node-gpu 4\.22\.0 \(npm error code ENOTFOUND\); check the network/,
    ],
    ["an npm that writes nothing", () => failure(machine({ FAKE_NPM: "exit 0" })), /could not fetch.*wrote no file/],
    [
      "another npm package under that name",
      () => failure(machine(), {}, { tfjsNodeSum: "another" }),
      /tgz" is not what was published under that name: its SHA-512 is another one/,
    ],
    ["no Python", () => failure(without("python3")), /Setup needs Python 3 with pip.*wasm.*\(option python\)/],
    [
      "a Python without pip",
      () => failure(withProgram("python3", 'case "$*" in *pip*) exit 1;; esac')),
      /has no pip.*ensurepip/,
    ],
    [
      "a named Python that is not one",
      () => failure(machine(), { python: "/nowhere/python" }),
      /"\/nowhere\/python" is not a working Python/,
    ],
    [
      "no network",
      () =>
        failure(
          machine({
            FAKE_PIP:
              "echo 'ERROR: ConnectionError: Name or service not known' >&2; echo 'ERROR: No matching distribution found for tensorflow-cpu' >&2; exit 1",
          }),
        ),
      /could not get tensorflow-cpu==2\.18\.1 from its package index; check the network.*as a file \(option wheel\)/,
    ],
    [
      "an index that refuses",
      () => failure(machine({ FAKE_PIP: "echo 'ERROR: 403 Client Error: Forbidden for url' >&2; exit 1" })),
      /could not get .*\(proxy, index-url\)/,
    ],
    [
      "an index that lists nothing",
      () =>
        failure(
          machine({
            FAKE_PIP:
              "echo 'ERROR: Could not find a version that satisfies the requirement (from versions: none)' >&2; echo 'ERROR: No matching distribution found' >&2; exit 1",
          }),
        ),
      /offers no tensorflow-cpu for this platform, or refuses access; check pip's settings/,
    ],
    [
      "a version that does not exist",
      () =>
        failure(
          machine({
            FAKE_PIP:
              "echo 'ERROR: Could not find a version that satisfies the requirement (from versions: 2.18.1, 2.21.0)' >&2; echo 'ERROR: No matching distribution found' >&2; exit 1",
          }),
          { tensorflow: "9.9.9" },
        ),
      /has no tensorflow-cpu==9\.9\.9 for this platform \(available are 2\.18\.1, 2\.21\.0\)/,
    ],
    [
      "a disk that fills up during the download",
      () => failure(machine({ FAKE_PIP: "echo 'OSError: [Errno 28] No space left on device' >&2; exit 1" })),
      /The disk is full.*COORDTOK_CACHE/,
    ],
    [
      "too little disk space",
      () => failure(machine(), {}, { freeBytes: () => Promise.resolve(5e8) }),
      /needs 945 MB of disk space, but ".*native" has 500 MB left/,
    ],
    [
      "a compiler error",
      () => failure(machine({ FAKE_COMPILER: "echo 'x.cc:1:10: fatal error: node_api.h: No such file' >&2; false" })),
      /c\+\+ could not compile the add-on \(x\.cc:1:10: fatal error: node_api\.h: No such file\); .*CXX/,
    ],
    [
      "a damaged wheel",
      () => failure(damaged()),
      /The wheel "tensorflow_cpu-2\.18\.1.*" is damaged \(.*\); fetch it again/,
    ],
    [
      "a wheel without the library",
      () => failure(withWheel(tensorflowEntries.slice(1))),
      /has no "tensorflow\/libtensorflow_cc\.so\.2".*\(option tensorflow\)/,
    ],
    [
      "a missing wheel",
      () => failure(machine(), { wheel: "/nowhere/tensorflow_cpu-2.18.1-cp312-cp312-linux.whl" }),
      /The wheel "\/nowhere/,
    ],
    [
      "Windows",
      () => failure(machine({}, { platform: "win32", arch: "x64", glibc: undefined })),
      /WSL2 \(wsl --install\)/,
    ],
    ["musl", () => failure(machine({}, { platform: "linux", arch: "x64", glibc: undefined })), /need glibc.*musl/],
    [
      "an old glibc",
      () => failure(machine({}, { platform: "linux", arch: "x64", glibc: "2.12" })),
      /glibc 2\.17 or later, but this system has 2\.12/,
    ],
    [
      "another processor",
      () => failure(machine({}, { platform: "linux", arch: "riscv64", glibc: "2.36" })),
      /no TensorFlow wheel for linux-riscv64/,
    ],
    [
      "a cache that cannot be written to",
      () => failure(machine(), { cacheDir: "/dev/null/cache" }),
      /cannot be written to.*COORDTOK_CACHE/,
    ],
  ];

  it.each(cases)("%s", { timeout: 60_000 }, async (_title, run, message) => {
    const error = await run();
    expect(error.code).toBe("setup");
    expect(error.message).toMatch(message);
    expect(error.message.split("\n")).toHaveLength(1);
    expect(error.message).toMatch(/\.$/);
  });

  it("an add-on that does not load leaves no installation, but keeps the wheel for the next attempt", async () => {
    const made = machine();
    const { selfTest } = await import("./self-test.js");
    const error = await failure(made, {}, { selfTest: (folder, env) => selfTest(folder, { ...process.env, ...env }) });
    expect(error.message).toMatch(
      /^The wheel is for another kind of processor|^The compiled add-on does not work here/,
    );
    expect(left(made)).toEqual(["downloads"]);
  });

  it("a damaged download is repeated the next time", async () => {
    const made = damaged();
    await failure(made);
    writeWheel(made.wheel, tensorflowEntries);
    expect((await setupIn(made.world, { cacheDir: made.cache })).alreadySetUp).toBe(false);
    expect(made.starts("pip download")).toBe(2);
  });
});

function without(program: string): FakeMachine {
  const made = machine();
  rmSync(join(made.root, "bin", program));
  return made;
}

function withProgram(name: string, script: string): FakeMachine {
  const made = machine();
  made.program(name, script);
  return made;
}

function withWheel(entries: typeof tensorflowEntries): FakeMachine {
  const made = machine();
  writeWheel(made.wheel, entries);
  return made;
}

/** A wheel whose library does not match its list of checksums. */
function damaged(): FakeMachine {
  const made = machine();
  const bytes = readFileSync(made.wheel);
  bytes.write("T", bytes.indexOf("the large library"));
  writeFileSync(made.wheel, bytes);
  return made;
}
