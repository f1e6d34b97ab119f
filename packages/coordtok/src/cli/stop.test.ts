import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, tsx, type CliEnd } from "./testdata/run-cli.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-stop-"));
  const clip = syntheticClip({ frames: 16, height: 32, width: 32, seed: 4 });
  await writeVideo(join(folder, "a.mp4"), framesFromClip(clip, 25), { fps: 25 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A training that takes minutes if nobody stops it. */
const training = "train-tokenizer a.mp4 --preset test --points 64 --steps 100000 --backend wasm --out".split(" ");

/** Does something to a process as soon as its training has written its first metrics. */
function onceTraining(run: string, act: (child: ChildProcess) => void): (child: ChildProcess) => void {
  return (child) => {
    const watch = setInterval(() => {
      if (!existsSync(join(folder, run, "metrics.jsonl"))) return;
      clearInterval(watch);
      act(child);
    }, 20);
    child.once("close", () => clearInterval(watch));
  };
}

/** Whether a training has saved its last step and nothing unfinished lies about. */
async function expectSaved(run: string): Promise<void> {
  expect((await readdir(join(folder, run))).filter((name) => name.startsWith(".coordtok."))).toEqual([
    ".coordtok.json",
  ]);
  const names = await readdir(join(folder, run, "checkpoints"));
  expect(names.filter((name) => name !== "config.json")).toEqual([expect.stringMatching(/^step-\d+\.safetensors$/)]);
}

function run(args: readonly string[], options: Parameters<typeof runCli>[1]): Promise<CliEnd> {
  return runCli(args, { cwd: folder, ...options });
}

describe("a training", () => {
  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("saves at %s and ends with %i", { timeout: 240_000 }, async (signal, code) => {
    const onStart = onceTraining(signal, (child) => child.kill(signal));
    const ended = await run([...training, signal], { onStart });
    expect([ended.code, ended.stdout]).toEqual([code, ""]);
    expect(ended.stderr).toMatch(
      new RegExp(`Stopped after step \\d+; saved as .* \\(coordtok train-tokenizer --resume ${signal}\\)`),
    );
    await expectSaved(signal);
  });

  it("saves when nobody reads what it prints any more and ends with 141", { timeout: 240_000 }, async () => {
    const onStart = onceTraining("pipe", (child) => {
      child.stdout!.destroy();
      child.stderr!.destroy();
    });
    expect((await run([...training, "pipe"], { onStart })).code).toBe(141);
    await expectSaved("pipe");
  });

  it("is complete when its result cannot be printed, and ends with 1", { timeout: 240_000 }, async (context) => {
    if (!existsSync("/dev/full")) context.skip("this system has no /dev/full");
    const short = training.map((word) => (word === "100000" ? "2" : word));
    const ended = await run([...short, "full", "--quiet"], { stdio: ["ignore", openSync("/dev/full", "w"), "pipe"] });
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('Cannot write "standard output"')]);
    await expectSaved("full");
  });
});

describe("a process that computes without a pause", () => {
  it("is ended by the system at the second Ctrl-C", { timeout: 120_000 }, async () => {
    const code = `
      import { listenForStop } from ${JSON.stringify(new URL("stop.ts", import.meta.url).href)};
      const stop = listenForStop((text) => console.error(text));
      stop.signal.addEventListener("abort", () => setTimeout(() => { console.error("computing"); for (;;); }, 1000));
      setTimeout(() => undefined, 100000);
      console.error("ready");`;
    const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", code];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    let printed = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (/ready|computing/.test(text)) child.kill("SIGINT");
    });
    const [exitCode, signal] = (await once(child, "close")) as [number | null, string | null];
    expect([printed, exitCode, signal]).toEqual([
      "ready\nStopping; press Ctrl-C again to stop at once.\ncomputing\n",
      null,
      "SIGINT",
    ]);
  });
});

describe("a result that cannot be printed", () => {
  it("ends with a sentence and 1, or with 141 if nobody reads it", { timeout: 120_000 }, async (context) => {
    if (!existsSync("/dev/full")) context.skip("this system has no /dev/full");
    const full = await run(["info", "a.mp4"], { stdio: ["ignore", openSync("/dev/full", "w"), "pipe"] });
    expect([full.code, full.stderr]).toEqual([
      1,
      'Cannot write "standard output": there is no space left on its disk; free some or choose another place.\n',
    ]);
    const closed = await run(["info", "a.mp4"], { onStart: (child) => child.stdout!.destroy() });
    expect([closed.code, closed.stderr]).toEqual([141, ""]);
  });
});
