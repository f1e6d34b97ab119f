import type { Random } from "@coordtok/core";

/** Parsed JSON in which a name may occur twice and a number may be any text. */
export type JsonTree =
  | { readonly literal: string }
  | { readonly list: JsonTree[] }
  | { readonly members: [name: string, value: JsonTree][] };

/** Numbers, and texts in their place, at which readers break. */
const edges = [
  ..."0 -1 1 -0 0.5 2 3 7 255 256 65535 65536 2147483647 2147483648 -2147483649 4294967295 4294967296".split(" "),
  ..."9007199254740991 9007199254740993 18446744073709551616 1e9 1e15 1e308 1e309 -1e309 5e-324 1e-320".split(" "),
];
const texts = [
  "",
  "NaN",
  "Infinity",
  "-1",
  "1e999",
  "__proto__",
  "constructor",
  "toString",
  "../../etc/passwd",
  "/proc/self/mem",
  "a/../b",
  ".",
  "C:\\x",
  "a\u0000b",
  "\u001b[2J\n",
  "\ud800",
  "é".repeat(40),
  "x".repeat(20_000),
  "0".repeat(64),
];
const others = ["null", "true", "false", "[]", "{}", "[[]]", "[null]", '{"length":1000000000}', '{"0":1,"length":1}'];

/** Parses JSON so that {@link jsonFromTree} gives it back. */
export function treeFromJson(text: string): JsonTree {
  return treeOf(JSON.parse(text));
}

function treeOf(value: unknown): JsonTree {
  if (Array.isArray(value)) return { list: value.map(treeOf) };
  if (typeof value !== "object" || value === null) return { literal: JSON.stringify(value) };
  return { members: Object.entries(value).map(([name, member]) => [name, treeOf(member)]) };
}

/** Writes a tree as JSON. */
export function jsonFromTree(tree: JsonTree): string {
  if ("literal" in tree) return tree.literal;
  if ("list" in tree) return `[${tree.list.map(jsonFromTree).join()}]`;
  return `{${tree.members.map(([name, value]) => `${JSON.stringify(name)}:${jsonFromTree(value)}`).join()}}`;
}

/** Where a value stands, so that it can be replaced. */
interface Place {
  readonly value: JsonTree;
  readonly replace: (value: JsonTree) => void;
  /** The list or object around it and its place there; absent for the root. */
  readonly around?: { readonly items: unknown[]; readonly at: number };
}

function placesOf(root: { tree: JsonTree }): Place[] {
  const places: Place[] = [];
  const visit = (place: Place): void => {
    places.push(place);
    const { value } = place;
    if ("list" in value)
      value.list.forEach((item, at) => {
        visit({ value: item, replace: (other) => (value.list[at] = other), around: { items: value.list, at } });
      });
    if ("members" in value)
      value.members.forEach((member, at) => {
        visit({
          value: member[1],
          replace: (other) => (member[1] = other),
          around: { items: value.members, at },
        });
      });
  };
  visit({ value: root.tree, replace: (other) => (root.tree = other) });
  return places;
}

function pick<T>(items: ArrayLike<T>, random: Random): T {
  return items[random.integer(items.length)]!;
}

function anyValue(random: Random): JsonTree {
  const kind = random.integer(4);
  if (kind < 2) return { literal: pick(edges, random) };
  return { literal: kind === 2 ? JSON.stringify(pick(texts, random)) : pick(others, random) };
}

type Change = (place: Place, random: Random, all: readonly Place[]) => void;

const changes: readonly Change[] = [
  // Another number, text or type.
  ({ replace }, random) => replace(anyValue(random)),
  ({ value, replace }, random) => {
    if ("literal" in value) replace({ literal: nearOf(value.literal, random) });
    else replace(anyValue(random));
  },
  // A value from elsewhere in the same text.
  ({ replace }, random, all) => replace(structuredClone(pick(all, random).value)),
  // Removed, repeated, moved to the end.
  ({ around }) => void around?.items.splice(around.at, 1),
  ({ around }) => void around?.items.splice(around.at, 0, structuredClone(around.items[around.at])),
  ({ around }) => void around?.items.push(...around.items.splice(around.at, 1)),
  // A list that is longer, or a name that is not expected.
  ({ value }, random) => {
    if ("list" in value) for (let i = random.integer(50); i >= 0; i--) value.list.push(anyValue(random));
    else if ("members" in value) value.members.push([pick(texts, random), anyValue(random)]);
  },
  // Deep nesting.
  ({ replace }, random) => {
    const depth = random.integer(2) === 0 ? 200 : 20_000;
    replace({ literal: "[".repeat(depth) + "]".repeat(depth) });
  },
];

/** A number near another one, or the same digits as a text. */
function nearOf(literal: string, random: Random): string {
  const number = Number(literal);
  if (literal.startsWith('"') || !Number.isFinite(number)) return JSON.stringify(pick(texts, random));
  const near = [number + 1, number - 1, -number, number * 2, number / 2, number + 0.5, number * 1e6, number + 2 ** 32];
  const chosen = random.integer(near.length + 1);
  return chosen === near.length ? JSON.stringify(literal) : String(near[chosen]);
}

/** Makes one to three changes within JSON, which stays JSON. */
export function mutateTree(tree: JsonTree, random: Random): JsonTree {
  const root = { tree: structuredClone(tree) };
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const places = placesOf(root);
    // Of many values most are numbers of long lists; every depth gets its turn.
    const place = random.integer(3) === 0 ? pick(places, random) : pickByWalk(root, places, random);
    pick(changes, random)(place, random, places);
  }
  return root.tree;
}

/** Goes down from the root, at each level to any child or not further. */
function pickByWalk(root: { tree: JsonTree }, places: readonly Place[], random: Random): Place {
  const byValue = new Map(places.map((place) => [place.value, place]));
  let at = root.tree;
  for (;;) {
    const children = "list" in at ? at.list : "members" in at ? at.members.map(([, value]) => value) : [];
    if (children.length === 0 || random.integer(4) === 0) return byValue.get(at) ?? places[0]!;
    at = pick(children, random);
  }
}

/** Changes a JSON text within its structure, now and then also its characters. */
export function mutateJson(text: string, random: Random): string {
  const changed = jsonFromTree(mutateTree(treeFromJson(text), random));
  return random.integer(20) === 0 ? mutateText(changed, random) : changed;
}

/** Changes lines that are JSON each: one of them within its structure, or their order and number. */
export function mutateJsonLines(text: string, random: Random): string {
  const lines = text.split("\n");
  const at = random.integer(lines.length);
  const kind = random.integer(8);
  if (kind === 0) lines.splice(at, 1);
  else if (kind === 1) lines.splice(at, 0, lines[random.integer(lines.length)]!);
  else if (kind === 2) return mutateText(text, random);
  else if (lines[at] !== "") lines[at] = jsonFromTree(mutateTree(treeFromJson(lines[at]!), random));
  return lines.join("\n");
}

/** Changes a text: a number, a word, a line, a run of one sign. */
export function mutateText(text: string, random: Random): string {
  let result = text;
  for (let count = 1 + random.integer(3); count > 0; count--) result = changeText(result, random);
  return result;
}

function changeText(text: string, random: Random): string {
  const numbers = [...text.matchAll(/-?\d+(?:\.\d+)?/g)];
  const lines = text.split("\n");
  const at = random.integer(text.length + 1);
  const line = random.integer(lines.length);
  switch (random.integer(7)) {
    case 0: {
      const number = numbers[random.integer(Math.max(1, numbers.length))];
      if (number === undefined) return text;
      return (
        text.slice(0, number.index) +
        pick([...edges, "nan", "inf", "N/A"], random) +
        text.slice(number.index + number[0].length)
      );
    }
    case 1:
      return [...lines.slice(0, line), ...lines.slice(line + 1)].join("\n");
    case 2:
      return [...lines.slice(0, line), lines[random.integer(lines.length)]!, ...lines.slice(line)].join("\n");
    case 3:
      return text.slice(0, at) + pick(texts, random) + text.slice(at);
    case 4:
      return text.slice(0, at) + pick(" ,:([{\"'\n\t/x-0", random).repeat(10 ** random.integer(5)) + text.slice(at);
    case 5:
      return text.slice(0, at);
    default:
      return text.slice(0, at) + text.slice(at + 1 + random.integer(20));
  }
}
