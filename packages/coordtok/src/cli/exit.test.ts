import { CoordTokError, type NamedOptions, type Remedy } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { flagsOf } from "./command.js";
import { commands } from "./commands/index.js";
import { endingOf, exitCodes } from "./exit.js";

function textFor(command: string, options: NamedOptions): string | undefined {
  const row = commands.find(({ name }) => name === command)!;
  return endingOf(new CoordTokError("input", "It failed.", { options }), undefined, flagsOf(row)).text;
}

describe("the options of an error at a terminal", () => {
  it.each<[command: string, NamedOptions, text: string]>([
    ["encode", { overwrite: true }, "It failed (--overwrite)."],
    ["encode", { embedDecoder: true }, "It failed (--embed-decoder)."],
    ["decode", { sliceSize: 64 }, "It failed (--slice 64)."],
    ["sample", { first: 3, count: 5 }, "It failed (--first 3 --count 5)."],
    ["convert", { heads: undefined, config: undefined }, "It failed (--heads, --config)."],
    ["convert", { config: "a file's name" }, "It failed (--config 'a file'\\''s name')."],
    ["train-tokenizer", { totalSteps: undefined, minutes: undefined }, "It failed (--steps, --minutes)."],
  ])("%s writes %j as flags: %s", (command, options, text) => {
    expect(textFor(command, options)).toBe(text);
  });

  it("that switch off a flag that is on by default are written with no-", () => {
    expect(textFor("encode", { fused: false })).toBe("It failed (--no-fused).");
    expect(textFor("encode", { fused: true })).toBe("It failed.");
    expect(textFor("encode", { overwrite: false })).toBe("It failed.");
  });

  it("are left out when the command has no such flag", () => {
    expect(textFor("doctor", { overwrite: true })).toBe("It failed.");
    expect(textFor("decode", { checkpoint: undefined, tokenizer: undefined })).toBe("It failed (--checkpoint).");
  });

  it("make a command line with the remedy", () => {
    const text = (remedy: Remedy, options: NamedOptions = {}): string | undefined =>
      endingOf(new CoordTokError("input", "Help it.", { remedy, options }), undefined, {}).text;
    expect(text(["convertFile", "my file.pth", "b"])).toBe("Help it (coordtok convert 'my file.pth' b).");
    expect(text(["trainOnVideos"], { resume: "runs/a" })).toBe("Help it (coordtok train-tokenizer --resume runs/a).");
    expect(text(["encodeClip"])).toBe("Help it.");
  });

  it("follow an error to the exit code of its kind", () => {
    const error = new CoordTokError("usage", "It failed.", { details: ["a detail"], options: { overwrite: true } });
    expect(endingOf(error, undefined, {})).toEqual({ code: exitCodes["usage"], text: "It failed.\n  a detail" });
  });
});
