import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { setupIn } from "./setup.js";
import { fakeMachine, type FakeMachine } from "./testdata/fake-machine.js";

let made: FakeMachine | undefined;
afterEach(() => made?.remove());

const source = (path: string): string => new URL(path, import.meta.url).href;
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

/** A setup of the fake machine in a separate process, which can be killed. */
function startSetup({ root, cache, world }: FakeMachine): ReturnType<typeof spawn> {
  const code = `
    import { setupIn } from ${JSON.stringify(source("./setup.ts"))};
    const world = { ...${JSON.stringify({ env: world.env, machine: world.machine, knownWheels: world.knownWheels, tfjsNodeSum: world.tfjsNodeSum })},
      freeBytes: async () => 1e12,
      selfTest: async () => ({ tensorflow: "2.18.1", devices: ["made up"], gigaflops: 1 }) };
    await setupIn(world, { cacheDir: ${JSON.stringify(cache)} });`;
  const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", code];
  return spawn(process.execPath, args, { cwd: root, stdio: "inherit", env: { ...process.env, NODE_OPTIONS: "" } });
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (condition()) return;
    await pause(50);
  }
  throw new Error(`waited 30 s for ${what}`);
}

const mark = '/bin/cp /dev/null "$FAKE_ROOT/reached"; ';

describe("setup killed with SIGKILL", () => {
  const stages: [string, Record<string, string>, number][] = [
    ["during the download", { FAKE_PIP: `${mark}echo half > "$dest/temporary/half.whl"; /bin/sleep 30` }, 2],
    ["while the compiler runs", { FAKE_COMPILER: `${mark}/bin/sleep 30` }, 1],
  ];

  it.each(stages)("%s starts over cleanly", { timeout: 240_000 }, async (_title, env, downloads) => {
    const machine = (made = fakeMachine(env));
    const child = startSetup(machine);
    await until("the stage", () => existsSync(join(machine.root, "reached")));
    const ended = new Promise((done) => child.once("close", done));
    child.kill("SIGKILL");
    await ended;
    const folder = join(machine.cache, "native");
    expect(readdirSync(folder).some((name) => name.startsWith(".unfinished-"))).toBe(true);
    expect(existsSync(join(folder, "current-linux-x64.json"))).toBe(false);
    const world = { ...machine.world, env: { ...machine.world.env, FAKE_PIP: "", FAKE_COMPILER: "" } };
    const report = await setupIn(world, { cacheDir: machine.cache });
    expect(report.alreadySetUp).toBe(false);
    expect(readdirSync(folder)).toHaveLength(2);
    expect(machine.starts("pip download")).toBe(downloads);
  });

  it("while the wheel is unpacked starts over cleanly", async () => {
    const machine = (made = fakeMachine());
    const big = "x".repeat(2 ** 20);
    const { tensorflowEntries, writeWheel } = await import("./testdata/fake-wheel.js");
    writeWheel(machine.wheel, [
      { name: "tensorflow/libtensorflow_cc.so.2", content: big.repeat(200) },
      ...tensorflowEntries.slice(1),
    ]);
    const child = startSetup(machine);
    const folder = join(machine.cache, "native");
    const partial = (): boolean =>
      existsSync(folder) &&
      readdirSync(folder, { recursive: true }).some((name) => /unfinished.*libtensorflow_cc/.test(String(name)));
    await until("the library", partial);
    const ended = new Promise((done) => child.once("close", done));
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(join(folder, "current-linux-x64.json"))).toBe(false);
    const report = await setupIn(machine.world, { cacheDir: machine.cache });
    expect(report.alreadySetUp).toBe(false);
    expect(readdirSync(folder)).toHaveLength(2);
    expect(readFileSync(join(report.installation.directory, "tensorflow/libtensorflow_cc.so.2")).length).toBe(
      200 * 2 ** 20,
    );
    // The download was complete, so it is used again.
    expect(machine.starts("pip download")).toBe(1);
  });
});
