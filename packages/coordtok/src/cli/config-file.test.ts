import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonText } from "@coordtok/core/text";
import { mistyped } from "@coordtok/tools/mistyped";
import { overrideConfig, preset } from "@coordtok/tokenizer";
import { trainDefaults } from "@coordtok/tokenizer/train";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { flagsOf, type AnyCommand, type everyCommandsFlags } from "./command.js";
import { trainDiffusionCommand } from "./commands/train-diffusion.js";
import { trainTokenizerCommand } from "./commands/train-tokenizer.js";
import { configOf } from "./common-flags.js";
import { withConfigFile } from "./config-file.js";
import type { Flags, FlagValues } from "./flags.js";
import { settingsOf } from "./training-flags.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-config-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const warnings: string[] = [];

/** What a command is called with, given a file and a command line. */
async function called(
  content: string,
  {
    name = "run.yaml",
    args = [],
    line = {},
    command = trainTokenizerCommand,
  }: {
    name?: string;
    args?: readonly string[];
    line?: Readonly<Record<string, unknown>>;
    command?: AnyCommand;
  } = {},
): ReturnType<typeof withConfigFile> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const known = flagsOf(command);
  const initial = Object.fromEntries(Object.entries(known).map(([flag, row]) => [flag, row.initial]));
  const flags: FlagValues<Flags & typeof everyCommandsFlags> = mistyped({ ...initial, ...line, config: path });
  const given = new Set([...Object.keys(line), "config"]);
  warnings.length = 0;
  return withConfigFile({ command, args, flags, given }, known, (text) => warnings.push(text));
}

describe("a configuration file", () => {
  it("sets flags by their names without dashes, and the paths", async () => {
    const { args, flags } = await called(`
# A comment
paths: [videos, more videos]
preset: small
learning-rate: 5e-4
warmup: 100
val:
  - held out
  - one.mp4
set:
  decoder.layers: 6
  padding: masked
fused: false
valEvery: 50
`);
    expect(args).toEqual(["videos", "more videos"]);
    expect(flags).toMatchObject({
      preset: "small",
      learningRate: 5e-4,
      warmup: 100,
      val: ["held out", "one.mp4"],
      set: ["decoder.layers=6", "padding=masked"],
      fused: false,
      valEvery: 50,
      batch: undefined,
    });
    expect(await called('{"steps": 10, "val": "one.mp4"}', { name: "run.json" })).toMatchObject({
      flags: { steps: 10, val: ["one.mp4"] },
    });
  });

  it("gives way to the command line, and to what excludes its values there", async () => {
    const text = "steps: 100\nbatch: 8\nval: [a.mp4]\nout: here\nseed: 3\npaths: videos";
    const line = { batch: 2, val: ["b.mp4"], minutes: 5 };
    expect(await called(text, { args: ["mine"], line })).toMatchObject({
      args: ["mine"],
      flags: { batch: 2, val: ["b.mp4"], minutes: 5, steps: undefined, out: "here", seed: 3 },
    });
    expect(await called(text, { line: { resume: "runs/a" } })).toMatchObject({
      args: [],
      flags: { steps: 100, batch: 8, out: undefined, seed: undefined },
    });
  });

  it("is refused for what the command does not know or take, in one sentence", async () => {
    for (const [text, code, message] of [
      ["learning-rat: 1", "usage", 'Unknown key "learning-rat" in "'],
      ["learning-rat: 1", "usage", 'for train-tokenizer; did you mean "learning-rate"?'],
      ["path: a", "usage", 'did you mean "paths"?'],
      ["config: other.yaml", "usage", 'Unknown key "config"'],
      ["__proto__: 1", "usage", "Unknown key"],
      ["steps: 0", "usage", 'run.yaml", steps: Expected a whole number of at least 1.'],
      ["steps: [1, 2]", "usage", "steps: Expected a single value."],
      ["steps:", "usage", "steps: Expected a single value."],
      ["val: [[a]]", "usage", "val: Expected texts or numbers."],
      ["fused: maybe", "usage", "fused: Expected true or false."],
      ["stage: 3", "usage", "stage: Expected one of 1, 2"],
      ["steps: 1\nsteps: 2", "file-format", "is not a configuration file: Map keys must be unique"],
      ["steps: {", "file-format", "is not a configuration file: "],
      ["[steps, 1]", "file-format", "Expected names of flags and their values in"],
      ["", "file-format", "Expected names of flags and their values in"],
    ] as const)
      await expect(called(text), text).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message) as string,
      });
  });

  it("constructs nothing but plain values, and ends where aliases multiply", async () => {
    await expect(called("out: !!js/function 'x'")).resolves.toMatchObject({ flags: { out: "x" } });
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (let i = 0; i < 8; i++)
      bomb.push(`${"bcdefghi"[i]!}: &${"bcdefghi"[i]!} [${Array(9).fill(`*${"abcdefgh"[i]!}`).join(", ")}]`);
    await expect(called(bomb.join("\n"))).rejects.toMatchObject({ code: "file-format" });
  });
});

describe("the config.json of a run folder", () => {
  const settings = { ...trainDefaults, batchSize: 3, learningRate: 2e-3, totalSteps: 77, stage: 2 as const };
  const config = overrideConfig(preset("test"), ["decoder.layers=5", "clip.frames=8"]);
  const record = {
    config,
    settings,
    seed: 9,
    videos: ["/a.mp4", "/b.mp4"],
    validation: ["/c.mp4"],
    sources: [],
    keeping: { saveEvery: 20, validateEvery: 10 },
    perceptual: { lpips: "squeeze", weights: "/weights" },
  };

  it("starts the same training anew", async () => {
    const { args, flags } = await called(jsonText(record), { name: "config.json" });
    expect(args).toEqual(["/a.mp4", "/b.mp4"]);
    expect(flags).toMatchObject({ val: ["/c.mp4"], lpips: "squeeze", weights: "/weights", stage: "2", seed: 9 });
    expect(flags).toMatchObject({ saveEvery: 20, valEvery: 10 });
    expect(configOf(mistyped(flags))).toEqual(config);
    const { batchSize, learningRate, totalSteps } = settings;
    expect(settingsOf(mistyped(flags))).toMatchObject({ batchSize, learningRate, totalSteps });
    expect(warnings).toEqual([]);
  });

  it("names settings that no flag sets and that are not the default", async () => {
    await called(jsonText({ ...record, settings: { ...settings, beta2: 0.9 } }), { name: "config.json" });
    expect(warnings).toEqual([expect.stringContaining("no flag sets beta2, which is not taken over")]);
  });

  it("serves generators too", async () => {
    const generator = {
      latents: "/latents",
      tokenizer: "/tokenizer.safetensors",
      model: { planes: { time: 4 }, patch: 2, width: 32, depth: 3, heads: 2, mlpRatio: 4, classes: 2 },
      flow: { path: "gvp", prediction: "velocity" },
      settings: { totalSteps: 5, batchSize: 2, weightDecay: 0 },
      seed: 1,
    };
    const { args, flags } = await called(jsonText(generator), { name: "config.json", command: trainDiffusionCommand });
    expect(args).toEqual(["/latents"]);
    expect(flags).toMatchObject({ tokenizer: "/tokenizer.safetensors", path: "gvp", steps: 5, batch: 2 });
    expect(Object.entries(flags).find(([name]) => name === "set")?.[1]).toEqual([
      "patch=2",
      "width=32",
      "depth=3",
      "heads=2",
      "mlpRatio=4",
    ]);
  });
});
