import { CoordTokError } from "./errors.js";
import { shownJson } from "./text/json.js";

/** Plain data that JSON can represent. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Returns the entry of `names` nearest to `name` by edit distance, if it is near enough for a typo; otherwise `undefined`. */
export function nearestName(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** Returns the end of a message about an unknown name: `; did you mean "x"?`, or the list of known names. */
export function suggest(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  return nearest === undefined ? `; known are ${names.join(", ")}` : `; did you mean "${nearest}"?`;
}

/**
 * Throws if a record has an unknown key.
 * @param where the name of the record in messages.
 * @throws CoordTokError `config` naming the nearest known key.
 */
export function checkKnownKeys(record: object, known: readonly string[], where: string): void {
  for (const key of Object.keys(record))
    if (!known.includes(key))
      throw new CoordTokError("config", `Unknown key "${key}" in ${where}${suggest(key, known)}`);
}

/**
 * Checks a group of named values in a configuration.
 * @param where the name of the group in messages.
 * @param known the names it may contain.
 * @param renamed the names that earlier versions stored, mapped to their present names.
 * @returns a copy under the present names.
 * @throws CoordTokError `config` if it is not a group or has an unknown name.
 */
export function checkGroup(
  value: unknown,
  where: string,
  known: readonly string[],
  renamed: Readonly<Record<string, string>> = {},
): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CoordTokError(
      "config",
      `Expected ${where} to be a group of ${known.join(", ")}, got ${shownJson(value)}.`,
    );
  const group = Object.fromEntries(
    Object.entries(value).map(([name, own]) => {
      const current = Object.hasOwn(renamed, name) ? renamed[name]! : name;
      return [Object.hasOwn(value, current) ? name : current, own as unknown];
    }),
  );
  checkKnownKeys(group, known, where);
  return group;
}

/**
 * Returns a copy of settings with some of them replaced. A value of `undefined` keeps the setting.
 * @param changes the new values; keys that `settings` lacks are refused.
 * @param where what messages call the settings (default `the settings`).
 * @throws CoordTokError `config` naming the nearest known key.
 */
export function withChanges<Settings extends object>(
  settings: Settings,
  changes: { readonly [Name in keyof Settings]?: Settings[Name] | undefined } | undefined,
  where = "the settings",
): Settings {
  if (changes === undefined) return settings;
  checkKnownKeys(changes, Object.keys(settings), where);
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...settings, ...(Object.fromEntries(given) as Partial<Settings>) };
}

/**
 * Returns a value if it is a whole number of at least `minimum`, and at most `maximum` where there is one.
 * @throws CoordTokError `config`, naming the value.
 */
export function checkInteger(value: unknown, name: string, minimum: number, maximum: number = Infinity): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < minimum || value > maximum)
    throw new CoordTokError(
      "config",
      `Expected ${name} to be a whole number ${maximum === Infinity ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`}, got ${shownJson(value)}.`,
    );
  return value;
}

/** Bounds of the numbers of a model's form: what is beyond them comes from damage, and would be believed before a weight is read. */
export const formBounds: { readonly layers: number; readonly size: number } = { layers: 1024, size: 2 ** 20 };

/**
 * Returns a value if it is a number within [minimum, maximum].
 * @throws CoordTokError `config`, naming the value.
 */
export function checkNumber(value: unknown, name: string, minimum: number, maximum: number = Infinity): number {
  if (typeof value !== "number" || !(value >= minimum && value <= maximum))
    throw new CoordTokError(
      "config",
      `Expected ${name} to be a number ${maximum === Infinity ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`}, got ${shownJson(value)}.`,
    );
  return value;
}

/**
 * Returns a value if it is one of a list of strings.
 * @throws CoordTokError `config`, naming the value.
 */
export function checkChoice<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  if (typeof value === "string" && (choices as readonly string[]).includes(value)) return value as T;
  throw new CoordTokError("config", `Expected ${name} to be one of ${choices.join(", ")}, got ${shownJson(value)}.`);
}

/**
 * Copies a configuration and replaces single values in the copy.
 * @param assignments strings such as `decoder.layers=4`; a value that is not valid JSON is taken as a string.
 * @throws CoordTokError `config` for a path that the configuration does not have, or a value of another type.
 */
export function withOverrides<T extends object>(config: T, assignments: readonly string[]): T {
  const copy = structuredClone(config);
  for (const assignment of assignments) setPath(copy, assignment);
  return copy;
}

function setPath(root: object, assignment: string): void {
  const equals = assignment.indexOf("=");
  if (equals < 1) throw new CoordTokError("config", `Expected path=value, got "${assignment}".`);
  const path = assignment.slice(0, equals);
  const steps = path.split(".");
  let node = root as Record<string, unknown>;
  steps.forEach((step, depth) => {
    if (!Object.hasOwn(node, step))
      throw new CoordTokError("config", `Unknown key "${step}" in "${assignment}"${suggest(step, Object.keys(node))}`);
    const before = node[step];
    if (depth < steps.length - 1) {
      if (typeof before !== "object" || before === null)
        throw new CoordTokError("config", `"${step}" in "${assignment}" is a value, not a group.`);
      node = before as Record<string, unknown>;
      return;
    }
    const value = parseValue(assignment.slice(equals + 1));
    if (before !== null && value !== null && typeof value !== typeof before)
      throw new CoordTokError(
        "config",
        `Expected ${typeof before === "object" ? "a group of values" : `a ${typeof before}`} for ${path}, got ${shownJson(value)}.`,
      );
    node[step] = value;
  });
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
