import type { OnProgress } from "@coordtok/core";
import { Argument, Command, Option, type Help } from "commander";
import { flagName, switchOff, toggle, type Flag, type FlagValues, type Flags } from "./flags.js";

/** A positional argument. */
export interface ArgumentRow {
  readonly name: string;
  readonly help: string;
  /** Whether it may be omitted. */
  readonly optional?: boolean;
  /** Whether it takes all remaining arguments; only the last argument may. */
  readonly several?: boolean;
}

/** The result of a command: the same facts as lines for people and as data for programs. */
export interface CommandResult {
  readonly lines: readonly string[];
  /** Undefined when the command has printed its document already. */
  readonly data: unknown;
  /** The exit code; 1 for a check that found something wrong. Default 0. */
  readonly exitCode?: 0 | 1;
}

/** The context in which a command runs. */
export interface CommandContext<F> {
  readonly args: readonly string[];
  readonly flags: FlagValues<F>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /**
   * Makes the first Ctrl-C abort this signal instead of `signal`, for commands that can finish early; the next one then aborts `signal`.
   * @param line tells people what happens now.
   */
  readonly finishEarly: (line: string) => AbortSignal;
  readonly onProgress: OnProgress;
  /** Prints a note for people; does nothing with `--quiet`. */
  readonly note: (line: string) => void;
  /** Prints a warning for people. */
  readonly warn: (line: string) => void;
}

/** The description of a command, apart from its work. */
export interface CommandRow<F extends Flags> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** One paragraph for the help of the command. */
  readonly description: string;
  readonly args: readonly ArgumentRow[];
  readonly flags: F;
  /** Example command lines, without the program's name. */
  readonly examples: readonly string[];
  /** The function of a package that the command calls; errors that advise calling it name this command. */
  readonly calls?: string;
  /** Whether the command computes with tensors. */
  readonly computes?: boolean;
  readonly run: (context: CommandContext<F & typeof everyCommandsFlags>) => Promise<CommandResult>;
}

/** A command with any flags. */
export type AnyCommand = CommandRow<Flags>;

/** The flags of every command. */
export const everyCommandsFlags: { readonly json: Flag<boolean>; readonly quiet: Flag<boolean> } = {
  json: toggle("print one JSON document on standard output instead of text"),
  quiet: toggle("print no progress and no notes, only results, warnings and errors"),
};

/** The flags of every command that computes. */
const computingFlags: { readonly fused: Flag<boolean> } = {
  fused: switchOff("compute with composite operations only (the same as the environment variable COORDTOK_FUSED=0)"),
};

/** Declares a command and infers the flags that `run` receives. */
export function defineCommand<const F extends Flags>(row: CommandRow<F>): AnyCommand {
  return row as unknown as AnyCommand;
}

/** All flags of a command: its own and the shared ones. */
export function flagsOf({ flags, computes }: AnyCommand): Flags {
  return { ...flags, ...(computes === true ? computingFlags : {}), ...everyCommandsFlags };
}

/** The parsed command line of one command. */
export interface Invocation {
  readonly command: AnyCommand;
  readonly args: readonly string[];
  readonly flags: FlagValues<Flags & typeof everyCommandsFlags>;
  /** The names of the flags that stood on the command line. */
  readonly given: ReadonlySet<string>;
}

/** Builds the commander program; `onInvocation` is called with the command on the command line. */
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
    const given = Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) === "cli");
    onInvocation({ command: row, args: command.args, flags: command.opts(), given: new Set(given) });
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
  const option = new Option(`${flagName(name, flag)}${valueText(flag)}`, help);
  if (flag.value !== undefined) option.argParser((given: string, before: unknown) => flag.read(given, before));
  option.defaultValue = flag.initial;
  option.hidden = flag.hidden === true;
  return option;
}

function valueText({ value, bare }: Flag<unknown>): string {
  if (value === undefined) return "";
  return bare === true ? ` [${value}]` : ` <${value}>`;
}

function initialText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
