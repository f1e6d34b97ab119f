import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { platformName } from "@coordtok/core/node";
import { afterAll, beforeEach, expect, it, vi } from "vitest";
import { loadBackend } from "./load.js";
import { mayHaveGpu } from "./node/webgpu.js";

const cache = mkdtempSync(join(tmpdir(), "coordtok-cache-"));
const platform = platformName();
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});
beforeEach(() => {
  rmSync(cache, { recursive: true, force: true });
  vi.stubEnv("COORDTOK_CACHE", cache);
});

const outside = { path: "../../../lib.so", bytes: 3, sha256: "0".repeat(64) };
const manifest = {
  path: "tfjs-node/package.json",
  bytes: 2,
  sha256: createHash("sha256").update("{}").digest("hex"),
};
const incomplete = /the installation in ".*made-up" is incomplete; run "npx coordtok setup"\.$/i;

/** The facts of an installation about an add-on with the given content. */
function addonFacts(content: string): object {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { path: "tfjs_binding.node", bytes: content.length, sha256 };
}

/** Puts an installation with fake facts in the cache, by default with a file that is not an add-on. */
function install(facts: object = {}, addon: string | undefined = "no add-on"): void {
  const folder = join(cache, "native", "made-up");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(cache, "native", `current-${platform}.json`), JSON.stringify({ installation: "made-up" }));
  const files = [addonFacts("no add-on"), manifest];
  const made = { platform, tfjsNode: "4.22.0", wheels: [], files, asked: {}, selfTest: {} };
  writeFileSync(
    join(folder, "setup.json"),
    JSON.stringify({ format: 1, tensorflow: "2.18.1", device: "cpu", ...made, ...facts }),
  );
  mkdirSync(join(folder, "tfjs-node"));
  writeFileSync(join(folder, manifest.path), "{}");
  if (addon !== "") writeFileSync(join(folder, "tfjs_binding.node"), addon);
}

it("auto uses a graphics card, otherwise wasm, if TensorFlow is not set up, and says so", async () => {
  const loaded = await loadBackend("auto", { purpose: "training" });
  const [native, gpu] = loaded.passedOver;
  expect(native).toEqual({ name: "tensorflow", reason: 'TensorFlow has not been set up; run "npx coordtok setup".' });
  expect(loaded.name).toBe(gpu === undefined ? "webgpu" : "wasm");
  expect(loaded.notes).toEqual([]);
  if (!mayHaveGpu())
    expect(gpu).toEqual({
      name: "webgpu",
      reason: "There is no graphics card here; ask for webgpu by name to try it nevertheless.",
    });
});

it.each<[string, () => void, RegExp]>([
  ["an installation without its add-on", () => install({}, ""), /tfjs_binding\.node" is missing or damaged; run "npx/],
  [
    "an installation of another tfjs-node-gpu",
    () => install({ tfjsNode: "4.21.0" }),
    /set up by another version of CoordTok, without the JavaScript that goes with it; run "npx coordtok setup" again\.$/,
  ],
  [
    "an installation without the JavaScript",
    () => install({ files: [addonFacts("no add-on")] }),
    /without the JavaScript that goes with it; run "npx coordtok setup" again\.$/,
  ],
  [
    "JavaScript that was exchanged",
    () => {
      install();
      writeFileSync(join(cache, "native", "made-up", manifest.path), "[]");
    },
    /does not load \(.*package\.json" is not the file that was set up: its SHA-256 differs\); run/,
  ],
  [
    "an installation whose library is missing",
    () => install({ files: [addonFacts("no add-on"), { path: "lib.so", bytes: 3, sha256: "0".repeat(64) }] }),
    /lib\.so" is missing or damaged; run "npx coordtok setup"\.$/,
  ],
  [
    "an installation made by a later CoordTok",
    () => install({ format: 2 }),
    /made by another version of CoordTok; run/,
  ],
  [
    "a file that is not an add-on",
    () => install(),
    /TensorFlow 2\.18\.1 does not load \(.*\); run "npx coordtok setup" again with the option force\.$/,
  ],
  [
    "an add-on that was replaced",
    () => install({}, "an add-in"),
    /does not load \(.*tfjs_binding\.node" is not the file that was set up: its SHA-256 differs\); run/,
  ],
  [
    "an installation in a folder that others can write to",
    () => {
      install();
      chmodSync(join(cache, "native"), 0o777);
    },
    /^Other users may write into ".*native" \(mode 777\), so nothing in it is run; remove it, or choose another cache/,
  ],
  [
    "an installation that names files outside",
    () => install({ files: [addonFacts("no add-on"), outside] }),
    incomplete,
  ],
  ["an installation without facts", () => install({ files: null }), incomplete],
])("%s gives a one-sentence error, and auto uses another backend instead", async (_title, prepare, message) => {
  prepare();
  await expect(loadBackend("tensorflow")).rejects.toMatchObject({
    code: "backend",
    message: expect.stringMatching(message) as string,
  });
  const loaded = await loadBackend("auto");
  if (!mayHaveGpu()) expect(loaded.name).toBe("wasm");
  expect(loaded.passedOver[0]?.reason).toMatch(message);
  expect(loaded.notes[0]).toBe(`The native backend is passed over: ${loaded.passedOver[0]!.reason}`);
});

it("every backend leaves standard output and standard error clean", { timeout: 120_000 }, () => {
  const code = `
    import { loadBackend } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    import { createRequire } from "node:module";
    const tf = createRequire(${JSON.stringify(import.meta.url)})("@tensorflow/tfjs-core");
    for (const name of ["auto", "wasm", "cpu"]) {
      await loadBackend(name);
      await tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).data();
    }`;
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const env = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
  const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", code];
  const shell = ["-c", 'exec "$@" 2>&1', "sh", process.execPath, ...args];
  expect(execFileSync("/bin/sh", shell, { env, encoding: "utf8" })).toBe("");
});
