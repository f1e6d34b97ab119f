import { isCoordTokError, messageOf, type CoordTokError } from "@coordtok/core";
import { CommanderError } from "commander";
import { commands } from "./commands/index.js";
import { flagsText, shellWord, type Flags } from "./flags.js";

/** The exit codes and what they mean, as the help prints them. */
export const exitCodes: Readonly<
  Record<"fine" | "failed" | "usage" | "bug" | "hungUp" | "stopped" | "closedPipe" | "terminated", number>
> = {
  fine: 0,
  failed: 1,
  usage: 2,
  bug: 70,
  hungUp: 129,
  stopped: 130,
  closedPipe: 141,
  terminated: 143,
};

/** The table of exit codes at the end of `coordtok --help`. */
export const exitCodesHelp = `Exit codes:
  0    fine
  1    failed: one sentence on standard error says why and what to do
  2    wrong usage: an unknown command or flag, or a value out of range
  70   a bug: a stack trace is printed
  130  stopped by Ctrl-C; finished work is saved, nothing is half-written
  143  the same by SIGTERM, 129 by SIGHUP or a closed terminal, 141 by a closed pipe`;

/** How the program ends after a failure. */
export interface Ending {
  readonly code: number;
  /** The text for standard error; absent when it has already been printed. */
  readonly text?: string;
}

/**
 * The message of a thrown value, with an error's options written as flags and its remedy as a command line. Options for which the
 * command has no flag are left out.
 * @param flags those of the command that failed.
 */
export function messageFor(thrown: unknown, flags: Flags): string {
  if (!isCoordTokError(thrown)) return messageOf(thrown);
  return thrown.messageWith(thrown.remedy === undefined ? flagsText(thrown.options, flags) : commandLine(thrown));
}

function commandLine({ remedy, options }: CoordTokError): string {
  const [called, ...args] = remedy ?? [];
  const command = commands.find(({ calls }) => calls === called);
  if (command === undefined) return "";
  const flags = flagsText(options, command.flags);
  return ["coordtok", command.name, ...args.map(shellWord), ...(flags === "" ? [] : [flags])].join(" ");
}

/**
 * Maps a thrown value to an exit code and a text.
 * @param stopped the exit code for a run that was asked to stop, `undefined` for any other.
 * @param flags those of the command.
 */
export function endingOf(thrown: unknown, stopped: number | undefined, flags: Flags): Ending {
  // Commander has already printed its own message; help and version end with its exit code 0.
  if (thrown instanceof CommanderError) return { code: thrown.exitCode === 0 ? exitCodes.fine : exitCodes.usage };
  if (isCoordTokError(thrown)) {
    // Ctrl-C also reaches the programs we started. Whatever error their end causes, the cause is the requested stop.
    if (stopped !== undefined || thrown.code === "aborted")
      return {
        code: stopped ?? exitCodes.stopped,
        text: thrown.code === "aborted" ? messageFor(thrown, flags) : "Stopped on request.",
      };
    const text = [messageFor(thrown, flags), ...thrown.details.map((line) => `  ${line}`)].join("\n");
    return { code: thrown.code === "usage" ? exitCodes.usage : exitCodes.failed, text };
  }
  const trace = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { code: exitCodes.bug, text: `This is a bug in coordtok; please report it with these lines.\n${trace}` };
}
