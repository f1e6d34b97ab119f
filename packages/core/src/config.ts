import { CoordTokError } from "./errors.js";

/** Plain data as it stands in JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** The one of `names` that is nearest to `name` by edit distance, when it is near enough to be a slip. */
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

/** `; did you mean "x"?` or the list of what is known, to end a message about an unknown name with. */
export function suggest(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  return nearest === undefined ? `; known are ${names.join(", ")}` : `; did you mean "${nearest}"?`;
}

/**
 * Throws when a record has an unknown key.
 * @param where what messages call the record.
 * @throws CoordTokError `config` naming the nearest known key.
 */
export function checkKnownKeys(record: object, known: readonly string[], where: string): void {
  for (const key of Object.keys(record))
    if (!known.includes(key))
      throw new CoordTokError("config", `Unknown key "${key}" in ${where}${suggest(key, known)}`);
}

/**
 * A group of named values in a configuration.
 * @param where what messages call the group.
 * @param known the names that it may have.
 * @param renamed names that earlier versions stored, and what they are called now.
 * @returns a copy under the names of today.
 * @throws CoordTokError `config` when it is no group or has an unknown name.
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
      `Expected ${where} to be a group of ${known.join(", ")}, got ${JSON.stringify(value)}.`,
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
 * Settings with some of them replaced. A value of `undefined` keeps what was there.
 * @param changes what differs; it may have no other keys than `settings`.
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

/** A whole number of at least `minimum` or an error that names it. */
export function checkInteger(value: unknown, name: string, minimum: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < minimum)
    throw new CoordTokError(
      "config",
      `Expected ${name} to be a whole number of at least ${minimum}, got ${JSON.stringify(value)}.`,
    );
  return value;
}

/** A number within [minimum, maximum] or an error that names it. */
export function checkNumber(value: unknown, name: string, minimum: number, maximum: number = Infinity): number {
  if (typeof value !== "number" || !(value >= minimum && value <= maximum))
    throw new CoordTokError(
      "config",
      `Expected ${name} to be a number ${maximum === Infinity ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`}, got ${JSON.stringify(value)}.`,
    );
  return value;
}

/** One of a list of words or an error that names it. */
export function checkChoice<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  if (typeof value === "string" && (choices as readonly string[]).includes(value)) return value as T;
  throw new CoordTokError(
    "config",
    `Expected ${name} to be one of ${choices.join(", ")}, got ${JSON.stringify(value)}.`,
  );
}

/**
 * A copy of a configuration with single values replaced, as `--set path=value` asks for.
 * @param assignments texts such as `decoder.layers=4`; the value is read as JSON, and as text where it is none.
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
        `Expected ${typeof before === "object" ? "a group of values" : `a ${typeof before}`} for ${path}, got ${JSON.stringify(value)}.`,
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
