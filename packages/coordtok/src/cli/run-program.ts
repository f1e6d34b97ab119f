import { isCoordTokError } from "@coordtok/core";
import { jsonText, plainText } from "@coordtok/core/text";
import { ownVersion, versions } from "../inspect/versions.js";
import { buildProgram, flagsOf, type CommandResult, type Invocation } from "./command.js";
import { commands } from "./commands/index.js";
import { endingOf, exitCodes, exitCodesHelp, messageFor } from "./exit.js";
import type { Flags } from "./flags.js";
import { createProgressRenderer } from "./render-progress.js";
import { listenForStop, type EarlyStop } from "./stop.js";

const program = {
  name: "coordtok",
  version: ownVersion,
  description: "CoordTok: encode videos into triplanes of a few tokens, decode any part of them, train the tokenizer.",
  footer: `Run "coordtok COMMAND --help" for the flags of a command, with units, ranges and defaults;\n"coordtok --version --json" for the versions of everything in use.\n\n${exitCodesHelp}`,
};

/** What people type who know other programs, and what they mean. */
const otherNames: Readonly<Record<string, string>> = {
  train: "train-tokenizer or train-diffusion",
  help: "coordtok --help, or coordtok COMMAND --help",
  version: "--version",
  "-V": "--version",
  "-v": "--version",
  generate: "sample",
  install: "setup",
};

/** Runs a command line and returns its exit code. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  let invocation: Invocation | undefined;
  const nearest = otherNames[argv[0] ?? ""];
  if (nearest !== undefined) {
    const message = `unknown command '${argv[0]}'\n(Did you mean ${nearest}?)`;
    process.stderr.write(`error: ${message}\n`);
    if (argv.includes("--json")) await print({ lines: [], data: { error: { code: "usage", message } } }, true);
    return exitCodes.usage;
  }
  // commander knows no flags beside that of the version.
  if (argv.length === 2 && argv.includes("--version") && argv.includes("--json")) {
    await print({ lines: [], data: await versions() }, true);
    return exitCodes.fine;
  }
  try {
    const parser = buildProgram(commands, program, (found) => (invocation = found));
    parser.parse(withoutSeparator(argv), { from: "user" });
  } catch (thrown) {
    return end(thrown, {}, { stopped: undefined, json: withoutSeparator(argv).includes("--json") });
  }
  if (!invocation) return exitCodes.usage;
  return runCommand(invocation);
}

/** Package managers pass on a literal `--`; it is dropped unless it protects a name that starts with a dash. */
function withoutSeparator(argv: readonly string[]): string[] {
  const kept = argv[0] === "--" ? argv.slice(1) : [...argv];
  const next = kept[2] ?? "";
  if (kept[1] === "--" && !/^-[^-]/.test(next)) kept.splice(1, 1);
  return kept;
}

async function runCommand(invocation: Invocation): Promise<number> {
  const { command, flags: called } = invocation;
  const renderer = createProgressRenderer({ stream: process.stderr, quiet: called.quiet });
  const early: EarlyStop = { controller: new AbortController(), line: undefined };
  using stop = listenForStop(renderer.writeLines, early);
  const warn = (line: string): void => renderer.writeLines(`Warning: ${plainText(line)}`);
  try {
    const { args, flags } = await filledIn(invocation, warn);
    // Every backend that a command loads reads this.
    if ((flags as { fused?: boolean }).fused === false) process.env["COORDTOK_FUSED"] = "0";
    const result = await command.run({
      args,
      flags,
      signal: stop.signal,
      finishEarly: (line) => {
        early.line = line;
        return early.controller.signal;
      },
      onProgress: renderer.onProgress,
      note: (line) => {
        if (!flags.quiet) renderer.writeLines(plainText(line));
      },
      warn,
    });
    renderer.finish();
    await print(result, flags.json);
    return result.exitCode ?? exitCodes.fine;
  } catch (thrown) {
    renderer.finish();
    return await end(thrown, flagsOf(command), { stopped: stop.exitCode, json: called.json });
  }
}

/** The arguments and flags of a command, with those of a configuration file where the command line names one. */
async function filledIn(
  invocation: Invocation,
  warn: (line: string) => void,
): Promise<Pick<Invocation, "args" | "flags">> {
  if ((invocation.flags as { readonly config?: string }).config === undefined) return invocation;
  const { withConfigFile } = await import("./config-file.js");
  return withConfigFile(invocation, flagsOf(invocation.command), warn);
}

async function print(result: CommandResult, json: boolean): Promise<void> {
  if (json && result.data === undefined) return;
  const text = json ? plainJson(result.data) : plainLines(result.lines.join("\n"));
  if (text !== "") await new Promise((done) => process.stdout.write(`${text}\n`, done));
}

/** Text of several lines without control characters. */
function plainLines(text: string): string {
  return text
    .split("\n")
    .map((line) => plainText(line, Infinity))
    .join("\n");
}

/** JSON leaves some characters raw that act on a terminal, and has no infinite numbers. */
function plainJson(data: unknown): string {
  return plainLines(jsonText(data, 2));
}

async function end(
  thrown: unknown,
  flags: Flags,
  { stopped, json }: { readonly stopped: number | undefined; readonly json: boolean },
): Promise<number> {
  const { code, text } = endingOf(thrown, stopped, flags);
  if (text !== undefined) process.stderr.write(`${plainLines(text)}\n`);
  if (json && code !== exitCodes.fine) {
    const kind = isCoordTokError(thrown) ? thrown.code : code === exitCodes.usage ? "usage" : "bug";
    const error = { code: kind, message: messageFor(thrown, flags) };
    await print({ lines: [], data: { error } }, true);
  }
  return code;
}
