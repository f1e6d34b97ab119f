import type { Random } from "@coordtok/core";

/** Numbers at which readers of binary formats break. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

type Mutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

function changed(bytes: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = new Uint8Array(bytes);
  change(copy);
  return copy;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function place(bytes: Uint8Array, random: Random): number {
  return random.integer(bytes.length + 1);
}

function piece(bytes: Uint8Array, random: Random): Uint8Array {
  const begin = place(bytes, random);
  return bytes.subarray(begin, begin + random.integer(64) + 1);
}

const mutations: readonly Mutation[] = [
  // Flips one bit.
  (bytes, random) => changed(bytes, (copy) => (copy[place(bytes, random)]! ^= 1 << random.integer(8))),
  // Replaces one byte.
  (bytes, random) => changed(bytes, (copy) => (copy[place(bytes, random)] = random.integer(256))),
  // Writes a number of one to eight bytes at the edge of its range.
  (bytes, random) =>
    changed(bytes, (copy) => {
      const at = place(bytes, random);
      const number = edges[random.integer(edges.length)]!;
      for (let i = 0; i < 2 ** random.integer(4); i++) copy[at + i] = i < 4 ? (number >>> (8 * i)) & 0xff : 0;
    }),
  // Writes a number beyond every file.
  (bytes, random) =>
    changed(bytes, (copy) => {
      const at = place(bytes, random);
      copy.fill(0xff, at, at + 8);
    }),
  // Removes the end, or a part of the middle.
  (bytes, random) => bytes.slice(0, place(bytes, random)),
  (bytes, random) => {
    const at = place(bytes, random);
    return joined(bytes.subarray(0, at), bytes.subarray(at + random.integer(64) + 1));
  },
  // Repeats a part, moves it, or takes it from another file.
  (bytes, random) => inserted(bytes, piece(bytes, random), random),
  (bytes, random) =>
    changed(bytes, (copy) => {
      const at = place(bytes, random);
      copy.set(piece(bytes, random).subarray(0, copy.length - at), at);
    }),
  (bytes, random, other) => inserted(bytes, piece(other, random), random),
  (bytes, random, other) => joined(bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))),
  // Writes random bytes.
  (bytes, random) =>
    inserted(
      bytes,
      Uint8Array.from({ length: 1 + random.integer(16) }, () => random.integer(256)),
      random,
    ),
];

function inserted(bytes: Uint8Array, part: Uint8Array, random: Random): Uint8Array {
  const at = place(bytes, random);
  return joined(bytes.subarray(0, at), part, bytes.subarray(at));
}

/** Makes one to four mutations of a file, some of them with parts of another file. */
export function mutate(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let result = bytes;
  for (let count = 1 + random.integer(4); count > 0; count--)
    result = mutations[random.integer(mutations.length)]!(result, random, other);
  return result;
}

/** The operand that follows an instruction of a pickle. */
type Operand = "nothing" | "byte" | "two" | "four" | "eight" | "line" | "text" | "names";

/** Instructions by character or code, and their operands; those that assemble values occur more often. */
const instructions: readonly (readonly [codes: string, operand: Operand])[] = [
  [
    "((((012Nl))))]]]}}}}tttdaeeessuuuuRRRRRRbbooQ\x85\x85\x86\x86\x87\x81\x81\x88\x89\x8f\x90\x91\x92\x93\x94\x94.",
    "nothing",
  ],
  ["KKKKqqqhhhhhh", "byte"],
  ["M", "two"],
  ["Jrj", "four"],
  ["G\x95", "eight"],
  ["ILFSVPpg", "line"],
  ["UC\x8a\x8c", "text"],
  ["ccccccci", "names"],
];

const calls = [
  "torch._utils\n_rebuild_tensor_v2\n",
  "torch._utils\n_rebuild_tensor_v3\n",
  "torch._utils\n_rebuild_parameter\n",
  "torch._tensor\n_rebuild_from_type_v2\n",
  "torch\nFloatStorage\n",
  "torch\nSize\n",
  "torch\nfloat32\n",
  "collections\nOrderedDict\n",
  "collections\ndefaultdict\n",
  "builtins\nset\n",
  "builtins\nlist\n",
  "builtins\neval\n",
  "_codecs\nencode\n",
  "copyreg\n_reconstructor\n",
  "argparse\nNamespace\n",
  "numpy\ndtype\n",
  "numpy.core.multiarray\nscalar\n",
  "posix\nsystem\n",
];

const lines = ["0", "1", "01", "-1", "99999999999999999999", "1e400", "nan", "'a'", "'\\x00'", "storage", ""];

function operand(kind: Operand, random: Random): string {
  const bytes = (count: number): string =>
    String.fromCharCode(...Array.from({ length: count }, () => (random.integer(3) === 0 ? 0xff : random.integer(4))));
  if (kind === "byte") return String.fromCharCode(random.integer(8));
  if (kind === "text") {
    const text = ["storage", "0", "cpu", "", "big", "\u00ff"][random.integer(6)]!;
    return String.fromCharCode(text.length) + text;
  }
  if (kind === "line") return `${lines[random.integer(lines.length)]!}\n`;
  if (kind === "names") return calls[random.integer(calls.length)]!;
  return bytes({ nothing: 0, two: 2, four: 4, eight: 8 }[kind]);
}

/** Makes a pickle of random instructions with matching operands, which readers accept more often than random bytes. */
export function randomPickle(random: Random): Uint8Array {
  const all = instructions.flatMap(([codes, kind]) => Array.from(codes, (code) => [code, kind] as const));
  let text = "\x80\x02";
  for (let count = 1 + random.integer(60); count > 0; count--) {
    const [code, kind] = all[random.integer(all.length)]!;
    text += code + operand(kind, random);
  }
  return Uint8Array.from(`${text}.`, (sign) => sign.charCodeAt(0));
}

/** Makes a file of the format before PyTorch 1.6 with a given pickle as content. */
export function legacyFile(pickle: Uint8Array): Uint8Array {
  const head = "\x80\x02\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
  const tail = "\x80\x02](X\x01\0\0\x000e.\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
  const latin = (text: string): Uint8Array => Uint8Array.from(text, (sign) => sign.charCodeAt(0));
  return joined(latin(head), pickle, latin(tail));
}
