import { CoordTokError, nearestName } from "@coordtok/core";
import { defineCommand, type AnyCommand } from "../command.js";
import { completionScript, shells } from "../completion.js";

/** The command for a program with some commands, among which is this one. */
export function completionCommand(commands: () => readonly AnyCommand[]): AnyCommand {
  return defineCommand({
    name: "completion",
    summary: "print a script that makes a shell complete commands and flags",
    description:
      "Prints a script for bash, zsh or fish. It completes the commands, their flags and the words that a flag takes; everything else completes to files. Nothing is installed: the first lines of the script say where to put it.",
    args: [{ name: "SHELL", help: `the shell: ${shells.join(", ")}` }],
    flags: {},
    examples: ["completion bash", "completion zsh", "completion fish"],
    run: ({ args: [given = ""] }) => {
      const shell = shells.find((name) => name === given);
      if (shell === undefined) {
        const nearest = nearestName(given, shells);
        throw new CoordTokError(
          "usage",
          `Expected a shell, one of ${shells.join(", ")}, got "${given}"${nearest === undefined ? "" : ` (did you mean ${nearest}?)`}.`,
        );
      }
      const script = completionScript(shell, "coordtok", commands());
      return Promise.resolve({ lines: [script.trimEnd()], data: { shell, script } });
    },
  });
}
