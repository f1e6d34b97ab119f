import { CoordTokError } from "@coordtok/core";
import { fnv1a32, formulaIntegers } from "./formula.js";

/** The rule by which the weights of a case follow from their names (`docs/spec.md#formula-weights`). */
export interface WeightRule {
  readonly prefix: string;
  /** What a field of the rule says. */
  readonly text: (part: string) => unknown;
  /**
   * The range of a tensor.
   * @param part the field of the rule that is about its kind, for example `conv_weight`.
   * @param sizes what the range depends on, by the names that the rule gives them.
   */
  readonly range: (part: string, sizes?: Readonly<Record<string, number>>) => readonly [low: number, high: number];
}

/** What the fields of a rule that are no ranges have to say. */
const ruleWords = {
  doc: "lowbias32((fnv1a32(utf8(name)) + i*0x9E3779B9) mod 2^32) / 2^32",
  name: "hash_prefix + state_dict name",
} as const;

/** Reads the rule of a case and tests the hash as it asks. @returns undefined when the case stores all weights. */
export function weightRuleOf(config: Readonly<Record<string, unknown>>): WeightRule | undefined {
  const prefix = config["hash_prefix"] ?? "";
  const stored = config["weight_rule"] as Readonly<Record<string, unknown>> | undefined;
  if (stored === undefined) return undefined;
  if (typeof prefix !== "string" || typeof stored !== "object")
    throw new CoordTokError("file-format", "Expected a text as hash_prefix and an object as weight_rule of the case.");
  for (const [field, words] of Object.entries(ruleWords)) expectWords(stored[field], `weight_rule.${field}`, words);
  testHash(stored["self_test"] as SelfTest | undefined);
  return {
    prefix,
    text: (part) => stored[part],
    range: (part, sizes = {}) => uniformRange(stored[part], part, sizes),
  };
}

/** Checks that a rule in words says what is computed here. */
export function expectWords(text: unknown, field: string, words: string): void {
  if (typeof text !== "string" || !text.includes(words))
    throw new CoordTokError(
      "file-format",
      `Expected the rule "${words}" as ${field} of the case, got ${String(text)}.`,
    );
}

interface SelfTest {
  readonly fnv1a32_of_a: number;
  readonly lowbias32_of_name_a_index_0_1_2: readonly number[];
  readonly uniform_minus1_1_of_name_a: readonly number[];
}

function testHash(wanted: SelfTest | undefined): void {
  if (wanted === undefined) return;
  const integers = [0, 1, 2].map(formulaIntegers("a"));
  const numbers = integers.map((integer) => Math.fround(-1 + 2 * (integer / 2 ** 32)));
  const right =
    wanted.fnv1a32_of_a === fnv1a32("a") &&
    wanted.lowbias32_of_name_a_index_0_1_2.every((value, i) => value === integers[i]) &&
    wanted.uniform_minus1_1_of_name_a.every((value, i) => value === numbers[i]);
  if (!right)
    throw new CoordTokError("file-format", "The hash of the formula weights does not pass the self-test of the case.");
}

/**
 * Reads "uniform(LOW, HIGH)", whose ends are expressions; what they name is in `sizes`, or defined behind it as ", name = EXPRESSION".
 */
export function uniformRange(
  rule: unknown,
  part: string,
  sizes: Readonly<Record<string, number>>,
): readonly [low: number, high: number] {
  const text = String(rule);
  const ends = /uniform\(([^,]+),((?:[^()]|\([^()]*\))+)\)/.exec(text);
  if (typeof rule !== "string" || ends === null)
    throw new CoordTokError(
      "file-format",
      `Expected a rule such as "uniform(0, 1)" as weight_rule.${part} of the case, got ${text}.`,
    );
  const definitions = new Map([...text.matchAll(/, (\w+) = ([^,]+)/g)].map(([, name, value]) => [name!, value!]));
  const valueOf = (name: string): number => {
    const defined = definitions.get(name);
    const size = Object.hasOwn(sizes, name) ? sizes[name] : defined && evaluate(defined, valueOf);
    if (typeof size === "number") return size;
    throw new CoordTokError("file-format", `The rule "${text}" of weight_rule.${part} does not say what ${name} is.`);
  };
  return [evaluate(ends[1]!, valueOf), evaluate(ends[2]!, valueOf)];
}

/** Evaluates sums and products of numbers, names and square roots. Stops at what is none of these, a remark. */
function evaluate(expression: string, valueOf: (name: string) => number): number {
  const tokens: readonly string[] = expression.match(/\d[\d.]*(?:e-?\d+)?|\w+|\S/g) ?? [];
  let at = 0;
  const sum = (): number => {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-") value += tokens[at++] === "+" ? product() : -product();
    return value;
  };
  const product = (): number => {
    let value = factor();
    while (tokens[at] === "*" || tokens[at] === "/") value *= tokens[at++] === "*" ? factor() : 1 / factor();
    return value;
  };
  const factor = (): number => {
    const token = tokens[at++] ?? "";
    if (token === "-") return -factor();
    if (token === "sqrt") return Math.sqrt(factor());
    if (token !== "(") return /^\d/.test(token) ? Number(token) : valueOf(token);
    const value = sum();
    at++;
    return value;
  };
  return sum();
}
