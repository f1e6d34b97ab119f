import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeEach, expect, it, vi } from "vitest";
import { loadBackend } from "./load.js";
import { platformName } from "./node/installation.js";

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

/** Puts an installation with made-up facts into the cache. */
function install(facts: object, files: Record<string, string> = {}): void {
  const folder = join(cache, "native", "made-up");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(cache, "native", `current-${platform}.json`), JSON.stringify({ installation: "made-up" }));
  writeFileSync(
    join(folder, "setup.json"),
    JSON.stringify({
      format: 1,
      tensorflow: "2.18.1",
      device: "cpu",
      platform,
      tfjsNode: "4.22.0",
      wheels: [],
      files: [],
      ...facts,
    }),
  );
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
}

it("auto takes wasm where TensorFlow is not set up, and says so", async () => {
  const loaded = await loadBackend("auto", { purpose: "training" });
  expect(loaded.name).toBe("wasm");
  expect(loaded.passedOver).toEqual([
    { name: "tensorflow", reason: 'TensorFlow has not been set up; run "npx coordtok setup".' },
  ]);
});

it.each<[string, () => void, RegExp]>([
  ["an installation without its add-on", () => install({}), /TensorFlow 2\.18\.1 does not load \(/],
  [
    "an installation of another tfjs-node-gpu",
    () => install({ tfjsNode: "4.21.0" }),
    /set up for @tensorflow\/tfjs-node-gpu 4\.21\.0, but 4\.22\.0 is installed; run "npx coordtok setup" again\.$/,
  ],
  [
    "an installation whose library is gone",
    () => install({ files: [{ path: "lib.so", bytes: 3, sha256: "" }] }),
    /lib\.so" is missing or damaged; run "npx coordtok setup"\.$/,
  ],
  [
    "an installation made by a later CoordTok",
    () => install({ format: 2 }),
    /made by another version of CoordTok; run/,
  ],
  [
    "an add-on that is none",
    () => install({}, { "tfjs_binding.node": "no add-on" }),
    /TensorFlow 2\.18\.1 does not load \(.*\); run "npx coordtok setup" again with the option force\.$/,
  ],
])("%s is one sentence, and auto goes on to wasm", async (_title, prepare, message) => {
  prepare();
  await expect(loadBackend("tensorflow")).rejects.toMatchObject({
    code: "backend",
    message: expect.stringMatching(message) as string,
  });
  const loaded = await loadBackend("auto");
  expect(loaded.name).toBe("wasm");
  expect(loaded.passedOver[0]?.reason).toMatch(message);
});

it("every backend leaves standard output and standard error clean", () => {
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
