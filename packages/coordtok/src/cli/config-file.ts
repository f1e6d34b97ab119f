import { extname } from "node:path";
import { CoordTokError, messageOf, nearestName } from "@coordtok/core";
import { readText } from "@coordtok/core/node";
import { parseJson } from "@coordtok/core/text";
import { InvalidArgumentError } from "commander";
import { parse } from "yaml";
import type { Invocation } from "./command.js";
import { flagName, type Flag, type Flags } from "./flags.js";
import { flagsOfRecord } from "./run-record.js";

/** The key of a configuration file for what stands before the flags. */
const pathsKey = "paths";
/** Flags that a file cannot set. */
const ownFlags: ReadonlySet<string> = new Set(["config", "json", "quiet"]);
/** Given on the command line, the first takes the place of the others in a file. */
const excluding: readonly (readonly [given: string, ...others: readonly string[]])[] = [
  ["steps", "minutes"],
  ["minutes", "steps"],
  ["from", "form", "preset", "set"],
  ["resume", "out", "seed", "from", "form", "preset", "set", "path", "prediction", pathsKey],
];
const mostBytes = 2 ** 26;

/** What a command was called with, and which of its flags stood on the command line. */
type Called = Pick<Invocation, "command" | "args" | "flags" | "given">;

/**
 * Adds what a configuration file says, if the command line names one: a YAML or JSON file whose keys are the flags without their dashes and
 * `paths`, or the `config.json` of a run folder. The command line wins.
 * @param flags all that the command has.
 * @param warn is told about settings of a `config.json` that no flag sets.
 * @throws CoordTokError `usage` for keys that the command does not know, naming the nearest, and for values out of range; `file-format` for a
 * file that is neither YAML nor JSON; `file-not-found`, `file-read`.
 */
export async function withConfigFile(
  { command, args, flags, given }: Called,
  known: Flags,
  warn: (line: string) => void,
): Promise<Pick<Called, "args" | "flags">> {
  const path = (flags as { readonly config?: string }).config;
  if (path === undefined || known["config"] === undefined) return { args, flags };
  const stored = await readConfig(path);
  const isRecord = "settings" in stored && "seed" in stored;
  const values = isRecord ? await flagsOfRecord(stored, known, (line) => warn(`"${path}": ${line}`)) : stored;
  const ignored = new Set(excluding.filter(([first]) => given.has(first)).flatMap(([, ...others]) => others));
  const merged: Record<string, unknown> = { ...flags };
  let paths = args;
  for (const [key, value] of Object.entries(values)) {
    const name = camelCase(key);
    if (name === pathsKey && command.args.length > 0) {
      if (args.length === 0 && !ignored.has(name)) paths = listOf(value).map((one) => textOf(one, path, key));
      continue;
    }
    const flag = ownFlags.has(name) || !Object.hasOwn(known, name) ? undefined : known[name];
    if (flag === undefined) throw unknownKey(path, key, command.name, known);
    if (!given.has(name) && !ignored.has(name)) merged[name] = readValue(flag, value, path, key);
  }
  return { args: paths, flags: merged as Called["flags"] };
}

async function readConfig(path: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readText(path, { mostBytes });
  let stored: unknown;
  try {
    stored =
      extname(path) === ".json"
        ? parseJson(text)
        : parse(text, { schema: "core", version: "1.2", uniqueKeys: true, maxAliasCount: 100, logLevel: "error" });
  } catch (thrown) {
    const [reason] = messageOf(thrown).split("\n");
    throw new CoordTokError("file-format", `"${path}" is not a configuration file: ${reason!.replace(/[.:]$/, "")}.`);
  }
  if (typeof stored === "object" && stored !== null && !Array.isArray(stored)) return { ...stored };
  throw new CoordTokError(
    "file-format",
    `Expected names of flags and their values in "${path}", such as "steps: 1000", got something else.`,
  );
}

function unknownKey(path: string, key: string, command: string, known: Flags): CoordTokError {
  const names = [...Object.keys(known).filter((name) => !ownFlags.has(name)), pathsKey].map(keyOf);
  const nearest = nearestName(keyOf(camelCase(key)), names);
  const hint = nearest === undefined ? "see its --help" : `did you mean "${nearest}"?`;
  return new CoordTokError("usage", `Unknown key "${key}" in "${path}" for ${command}; ${hint}`);
}

/** How a flag is written in a file: `learning-rate`. */
function keyOf(name: string): string {
  return flagName(name).slice(2);
}

function camelCase(key: string): string {
  return key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function readValue(flag: Flag<unknown>, value: unknown, path: string, key: string): unknown {
  if (flag.value === undefined) {
    if (typeof value === "boolean") return value;
    throw wrongValue(path, key, "Expected true or false.");
  }
  const repeats = Array.isArray(flag.initial);
  if (!repeats && typeof value === "object") throw wrongValue(path, key, "Expected a single value.");
  try {
    return listOf(value).reduce((before: unknown, one) => flag.read(textOf(one, path, key), before), flag.initial);
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw wrongValue(path, key, thrown.message);
    throw thrown;
  }
}

/** The entries of a list, `name=value` for those of a group, or the value itself. */
function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== "object" || value === null) return [value];
  return Object.entries(value).map(([name, one]) => `${name}=${String(one)}`);
}

function textOf(value: unknown, path: string, key: string): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  throw wrongValue(path, key, "Expected texts or numbers.");
}

function wrongValue(path: string, key: string, expected: string): CoordTokError {
  return new CoordTokError("usage", `"${path}", ${key}: ${expected}`);
}
