import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isCoordTokError } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { root } from "./check-command.js";
import { publicPackages } from "./public-entries.js";

/** Functions that no entry exports; they are tested beside their source. */
const throughObjects: readonly string[] = [
  "CoordTok.fromPretrained",
  "ensureFfmpeg",
  "Generator.fromPretrained",
  "Latents.read",
  "readCodes",
  "readDecoder",
  "readTriplane",
  "readWindow",
  "setUp",
];

type Call = (...args: unknown[]) => unknown;

interface Checked {
  /** The name in the error message. */
  readonly name: string;
  readonly call: Call;
}

/** The names under which functions of the packages check their options. */
function checkedNames(): Set<string> {
  const files = readdirSync(join(root, "packages"), { recursive: true, encoding: "utf8" })
    .filter((file) => /^[^/\\]+[/\\]src[/\\].*(?<!\.test)\.ts$/.test(file))
    .map((file) => readFileSync(join(root, "packages", file), "utf8"));
  return new Set(
    files.flatMap((text) => [...text.matchAll(/checkOptions\([^;]*"([\w.]+)"\);/g)].map(([, name]) => name!)),
  );
}

/** The exports of a package with such a name: functions, and classes with methods of that name. */
async function checkedIn(entry: string, names: ReadonlySet<string>): Promise<Checked[]> {
  const exported = (await import(/* @vite-ignore */ pathToFileURL(entry).href)) as Record<string, unknown>;
  return Object.entries(exported).flatMap(([name, value]): Checked[] => {
    if (typeof value !== "function") return [];
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    const whole: Call = isClass ? (...args) => Reflect.construct(value, args) as unknown : (value as Call);
    return [
      ...(names.has(name) && (isClass || checksOptions(value)) ? [{ name, call: whole }] : []),
      ...(isClass ? methodsOf(name, value, names) : []),
    ];
  });
}

/** Another package may have a function of the same name that takes no options. */
function checksOptions(value: NewableFunction): boolean {
  return Function.prototype.toString.call(value).includes("checkOptions");
}

function methodsOf(name: string, value: NewableFunction, names: ReadonlySet<string>): Checked[] {
  const prototype = value.prototype as object;
  return [value, prototype].flatMap((holder) =>
    Object.getOwnPropertyNames(holder)
      .filter((method) => names.has(`${name}.${method}`))
      .map((method) => ({
        name: `${name}.${method}`,
        call: (...args: unknown[]) => (Reflect.get(holder, method) as Call).apply(holder, args),
      })),
  );
}

/** The message of a call with an unknown option in every position. */
async function refusal({ call }: Checked, option: string): Promise<string> {
  const given = Array.from({ length: 6 }, () => ({ [option]: true }));
  try {
    const result = call(...given) as { next?: () => Promise<unknown> } | undefined;
    await (typeof result?.next === "function" ? result.next() : result);
  } catch (thrown) {
    if (isCoordTokError(thrown) && thrown.code === "config") return thrown.message;
    throw thrown;
  }
  return "nothing was refused";
}

const names = checkedNames();
const entries = publicPackages().flatMap((one) => one.entries);
const checked = (await Promise.all(entries.map((entry) => checkedIn(entry, names)))).flat();

describe("options", () => {
  it("of every function that checks them are tested here or beside its source", () => {
    const reached = new Set([...checked.map(({ name }) => name), ...throughObjects]);
    expect([...names].filter((name) => !reached.has(name))).toEqual([]);
    expect(checked.length).toBeGreaterThan(90);
  });

  it.each(checked.map((one) => [one.name, one] as const))(
    "%s refuses an unknown one and names the nearest",
    async (name, one) => {
      const strange = await refusal(one, "qqqqqqqqqqqq");
      const [, first] = /^Unknown option "qqqqqqqqqqqq" of [\w.]+; known are (\w+)/.exec(strange) ?? [];
      expect(first, strange).toBeDefined();
      expect(await refusal(one, `${first!}_`)).toBe(
        `Unknown option "${first!}_" of ${name}; did you mean "${first!}"?`,
      );
    },
  );
});
