import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { commands } from "./commands/index.js";
import { completionScript, shells, type Shell } from "./completion.js";

const script = (shell: Shell): string => completionScript(shell, "coordtok", commands);

/** What bash offers for the last of some words. */
function offered(...words: readonly string[]): string[] {
  const program = `${script("bash")}
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _coordtok
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync("bash", ["-c", program, "bash", ...words], { encoding: "utf8" });
  return output.split("\n").filter((line) => line !== "");
}

describe("completion", () => {
  it("in bash offers the commands that begin so", () => {
    expect(offered("coordtok", "enc")).toEqual(["encode", "encode-dataset"]);
    expect(offered("coordtok", "")).toEqual([...commands.map(({ name }) => name), "--help", "--version"]);
  });

  it("in bash offers the flags of the command, as they are written", () => {
    expect(offered("coordtok", "decode", "--f")).toEqual(["--frames", "--fps", "--ffmpeg"]);
    expect(offered("coordtok", "train-tokenizer", "x", "--learn")).toEqual(["--learning-rate"]);
    expect(offered("coordtok", "encode", "--no")).toEqual(["--no-fused"]);
  });

  it("in bash offers the words that a flag takes, and leaves files to the shell", () => {
    expect(offered("coordtok", "encode", "--backend", "w")).toEqual(["webgpu", "wasm"]);
    expect(offered("coordtok", "encode", "--out", "")).toEqual([]);
    expect(offered("coordtok", "encode", "")).toEqual([]);
  });

  it.each(shells)("in %s names every command and every flag", (shell) => {
    const text = script(shell);
    for (const { name, flags } of commands) {
      expect(text).toContain(name);
      for (const flag of Object.keys(flags))
        expect(text).toContain(flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    }
  });

  it.for(shells)("in %s is a script that the shell understands", (shell, { skip }) => {
    const { error, status, stderr } = spawnSync(shell, ["-n"], { input: script(shell), encoding: "utf8" });
    if (error !== undefined) return skip(`no ${shell} on PATH`);
    expect([status, stderr]).toEqual([0, ""]);
  });
});
