import type { OnProgress } from "@coordtok/core";
import { Argument, Command, Option, type Help } from "commander";
import { flagName, switchOff, toggle, type Flag, type FlagValues, type Flags } from "./flags.js";

/** A positional argument. */
export interface ArgumentRow {
  readonly name: string;
  readonly help: string;
  /** It may be left out. */
  readonly optional?: boolean;
  /** It takes all that follow; only the last argument may. */
  readonly several?: boolean;
}

/** What a command gives back: the same facts as lines for people and as data for programs. */
export interface CommandResult {
  readonly lines: readonly string[];
  readonly data: unknown;
  /** Exit code; 1 for a check that found something wrong. Default 0. */
  readonly exitCode?: 0 | 1;
}

/** What a command is given to work with. */
export interface CommandContext<F> {
  readonly args: readonly string[];
  readonly flags: FlagValues<F>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  /** Tells a person what happens; not shown with `--quiet`. */
  readonly note: (line: string) => void;
  /** Tells a person what may be wrong. */
  readonly warn: (line: string) => void;
}

/** A command as a row: everything about it but its work. */
export interface CommandRow<F extends Flags> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** One paragraph for its own help. */
  readonly description: string;
  readonly args: readonly ArgumentRow[];
  readonly flags: F;
  /** Command lines that work, without the program's name. */
  readonly examples: readonly string[];
  /** The function of a package that it calls, where an error advises to call it. */
  readonly calls?: string;
  /** Whether it computes with tensors. */
  readonly computes?: boolean;
  readonly run: (context: CommandContext<F & typeof everyCommandsFlags>) => Promise<CommandResult>;
}

/** A command of any flags. */
export type AnyCommand = CommandRow<Flags>;

/** The flags that every command has. */
export const everyCommandsFlags: { readonly json: Flag<boolean>; readonly quiet: Flag<boolean> } = {
  json: toggle("print one JSON document on standard output instead of text"),
  quiet: toggle("no progress and no notes, only results, warnings and errors"),
};

/** The flags that every command which computes has. */
const computingFlags: { readonly fused: Flag<boolean> } = {
  fused: switchOff("compute with composite operations only (the environment variable COORDTOK_FUSED=0 says the same)"),
};

/** Declares a command; its flags' types reach `run`. */
export function defineCommand<const F extends Flags>(row: CommandRow<F>): AnyCommand {
  return row as unknown as AnyCommand;
}

/** All flags of a command: its own and those that it shares. */
export function flagsOf({ flags, computes }: AnyCommand): Flags {
  return { ...flags, ...(computes === true ? computingFlags : {}), ...everyCommandsFlags };
}

/** The parsed command line of one command. */
export interface Invocation {
  readonly command: AnyCommand;
  readonly args: readonly string[];
  readonly flags: FlagValues<Flags & typeof everyCommandsFlags>;
}

/** The whole program as commander sees it; `onInvocation` is called with the command that was asked for. */
export function buildProgram(
  rows: readonly AnyCommand[],
  facts: { readonly name: string; readonly version: string; readonly description: string; readonly footer: string },
  onInvocation: (invocation: Invocation) => void,
): Command {
  const program = new Command(facts.name)
    .description(facts.description)
    .version(facts.version, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .usage("COMMAND [options]")
    .addHelpText("after", `\n${facts.footer}`)
    .configureHelp(helpLayout)
    .exitOverride();
  for (const row of rows) program.addCommand(buildCommand(row, facts.name, onInvocation));
  return program;
}

const helpLayout: Partial<Help> = {
  subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(argumentTerm)].join(" "),
  subcommandDescription: (command) => command.summary(),
  optionDescription: (option) => option.description,
};

function argumentTerm(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? name : `[${name}]`;
}

function buildCommand(row: AnyCommand, program: string, onInvocation: (invocation: Invocation) => void): Command {
  const command = new Command(row.name)
    .summary(row.summary)
    .description(row.description)
    .helpOption("-h, --help", "print this help")
    .configureHelp(helpLayout)
    .usage([...row.args.map(usageOf), "[options]"].join(" "))
    .addHelpText("after", `\nExamples:\n${row.examples.map((line) => `  ${program} ${line}`).join("\n")}`)
    .exitOverride();
  for (const argument of row.args)
    command.addArgument(new Argument(argument.optional ? usageOf(argument) : `<${usageOf(argument)}>`, argument.help));
  for (const [name, flag] of Object.entries(flagsOf(row))) command.addOption(buildOption(name, flag));
  command.action(() => {
    onInvocation({ command: row, args: command.args, flags: command.opts() });
  });
  return command;
}

function usageOf({ name, optional, several }: ArgumentRow): string {
  const text = `${name}${several ? "..." : ""}`;
  return optional ? `[${text}]` : text;
}

function buildOption(name: string, flag: Flag<unknown>): Option {
  const isEmpty = Array.isArray(flag.initial) && flag.initial.length === 0;
  const shown = flag.defaultText ?? (flag.value === undefined || isEmpty ? undefined : flag.initial);
  const help = shown === undefined ? flag.help : `${flag.help} (default: ${initialText(shown)})`;
  const option = new Option(`${flagName(name, flag)}${flag.value === undefined ? "" : ` <${flag.value}>`}`, help);
  if (flag.value !== undefined) option.argParser((given: string, before: unknown) => flag.read(given, before));
  option.defaultValue = flag.initial;
  return option;
}

function initialText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
