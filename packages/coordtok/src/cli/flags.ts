import { nearestName, type NamedOptions } from "@coordtok/core";
import { InvalidArgumentError } from "commander";

/** A flag as a row: how it is written, what it does, and how its text is read. */
export interface Flag<T> {
  /** The placeholder of its value, for example `n`; absent for a switch. */
  readonly value?: string;
  /** Whether the value may be left out; the flag is then `true`. */
  readonly bare?: boolean;
  /** What it does, with unit and range. */
  readonly help: string;
  /** The value when the flag is not given. */
  readonly initial: T;
  /** Whether it is a switch that is on unless its name with `no-` in front is given. */
  readonly negated?: boolean;
  /** The option of the package's functions that it sets, if its name differs from the flag's. */
  readonly option?: string;
  /** The words that it takes, if it takes only some. */
  readonly choices?: readonly string[];
  /** An old spelling, which no help lists. */
  readonly hidden?: boolean;
  /** The text of the default in the help, when the value itself is not informative. */
  readonly defaultText?: string;
  /** Reads the text; `before` is the value so far, for flags that may be repeated. */
  read(text: string, before: T): T;
}

/** The flags of a command by their names in code; `learningRate` is written `--learning-rate`. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;

/** The values of a command's flags. */
export type FlagValues<F> = { readonly [name in keyof F]: F[name] extends Flag<infer T> ? T : never };

interface Row<T> {
  readonly initial?: T;
  readonly defaultText?: string;
  readonly value?: string;
  readonly option?: string;
}

interface NumberRow<T> extends Row<T> {
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A flag without a value. */
export function toggle(help: string): Flag<boolean> {
  return { help, initial: false, read: () => true };
}

/** A switch that is on by default; the flag `x` is written `--no-x` and switches it off. */
export function switchOff(help: string): Flag<boolean> {
  return { help, initial: true, negated: true, read: () => false };
}

/** A flag whose value is a text. */
export function text(help: string, row: Row<string> & { readonly initial: string }): Flag<string>;
export function text(help: string, row?: Row<string>): Flag<string | undefined>;
export function text(help: string, row: Row<string> = {}): Flag<string> | Flag<string | undefined> {
  const read = (given: string): string => {
    if (given === "") throw new InvalidArgumentError("It must not be empty.");
    return given;
  };
  return { value: "text", ...row, help, initial: row.initial, read };
}

/** A flag that may be repeated. */
export function texts(
  help: string,
  row: { readonly value?: string; readonly option?: string } = {},
): Flag<readonly string[]> {
  return {
    value: "text",
    ...row,
    help: `${help} (may be repeated)`,
    initial: [],
    read: (given, before) => [...before, given],
  };
}

/** A flag whose value is a number. */
export function number(help: string, row: NumberRow<number> & { readonly initial: number }): Flag<number>;
export function number(help: string, row?: NumberRow<number>): Flag<number | undefined>;
export function number(help: string, row: NumberRow<number> = {}): Flag<number> | Flag<number | undefined> {
  return numeric(help, row, "a number", (value) => Number.isFinite(value));
}

/** A flag whose value is a whole number. */
export function integer(help: string, row: NumberRow<number> & { readonly initial: number }): Flag<number>;
export function integer(help: string, row?: NumberRow<number>): Flag<number | undefined>;
export function integer(help: string, row: NumberRow<number> = {}): Flag<number> | Flag<number | undefined> {
  return numeric(help, row, "a whole number", (value) => Number.isSafeInteger(value));
}

function numeric(
  help: string,
  row: NumberRow<number>,
  noun: string,
  isAllowed: (value: number) => boolean,
): Flag<number | undefined> {
  const { minimum = -Infinity, maximum = Infinity, value = "n" } = row;
  const range =
    minimum === -Infinity && maximum === Infinity
      ? ""
      : maximum === Infinity
        ? ` of at least ${minimum}`
        : ` from ${minimum} to ${maximum}`;
  const read = (given: string): number => {
    const parsed = given.trim() === "" ? NaN : Number(given);
    if (!isAllowed(parsed) || parsed < minimum || parsed > maximum)
      throw new InvalidArgumentError(`Expected ${noun}${range}.`);
    return parsed;
  };
  return { ...row, value, help: `${help}, ${noun}${range}`, initial: row.initial, read };
}

/** A flag whose value is one of several words. */
export function choice<const T extends string>(
  help: string,
  choices: readonly T[],
  row: Row<T> & { readonly initial: T },
): Flag<T>;
export function choice<const T extends string>(help: string, choices: readonly T[], row?: Row<T>): Flag<T | undefined>;
export function choice<const T extends string>(
  help: string,
  choices: readonly T[],
  row: Row<T> = {},
): Flag<T> | Flag<T | undefined> {
  const read = (given: string): T => {
    const found = choices.find((name) => name === given);
    if (found !== undefined) return found;
    const nearest = nearestName(given, choices);
    throw new InvalidArgumentError(
      `Expected one of ${choices.join(", ")}${nearest === undefined ? "" : ` (did you mean ${nearest}?)`}.`,
    );
  };
  const flag: Flag<T | undefined> = {
    value: "name",
    ...row,
    help: `${help}: ${choices.join(", ")}`,
    choices,
    initial: row.initial,
    read,
  };
  return flag;
}

/** How a flag is written on the command line. */
export function flagName(name: string, flag?: Flag<unknown>): string {
  return `--${flag?.negated === true ? "no-" : ""}${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Formats options as flags: `--overwrite`, `--first 3 --count 5`, or separated by commas when they are only named. Options without
 * a flag are left out.
 * @param flags those of the command.
 */
export function flagsText(options: NamedOptions, flags: Flags): string {
  const written = Object.entries(options).flatMap(([option, value]) => {
    const row = Object.entries(flags).find(([name, flag]) => (flag.option ?? name) === option);
    return row === undefined ? [] : [flagText(row[0], row[1], value)];
  });
  const isComplete = Object.values(options).every((value) => value !== undefined);
  return written.filter((text) => text !== "").join(isComplete ? " " : ", ");
}

/** Formats one option; empty for a switch that the error advises to leave out. */
function flagText(name: string, flag: Flag<unknown>, value: NamedOptions[string]): string {
  const text = flagName(name, flag);
  if (value === undefined) return text;
  if (flag.value === undefined) return value === (flag.negated !== true) ? text : "";
  return `${text} ${shellWord(String(value))}`;
}

/** Quotes a text as one word of a shell, if it needs quotes. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
