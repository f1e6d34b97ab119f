import type { Random } from "@coordtok/core";
import { joined } from "./mutate-container.js";

/** How long the operand of an instruction is: bytes, or the bytes of the length that precedes it, or a number of lines. */
type Operand = number | { readonly length: 1 | 4 | 8 } | { readonly lines: 1 | 2 };

const codesByOperand: readonly (readonly [codes: string, operand: Operand])[] = [
  ["Kqh\x80\x82", 1],
  ["M\x83", 2],
  ["Jrj\x84", 4],
  ["G\x95", 8],
  ["UC\x8a\x8c", { length: 1 }],
  ["XTB\x8b", { length: 4 }],
  ["\x8d\x8e\x96", { length: 8 }],
  ["ILFSVPpg", { lines: 1 }],
  ["ci", { lines: 2 }],
];
const operands: ReadonlyMap<string, Operand> = new Map(
  codesByOperand.flatMap(([codes, operand]) => Array.from(codes, (code) => [code, operand] as const)),
);

/** Cuts a pickle into its instructions with their operands; what follows its end is the last piece. */
function instructionsOf(pickle: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < pickle.length;) {
    const code = String.fromCharCode(pickle[at]!);
    const end = at + 1 + operandLength(pickle, at + 1, operands.get(code) ?? 0);
    pieces.push(pickle.subarray(at, end));
    at = end;
    if (code === ".") {
      pieces.push(pickle.subarray(at));
      break;
    }
  }
  return pieces;
}

function operandLength(pickle: Uint8Array, at: number, kind: Operand): number {
  if (typeof kind === "number") return kind;
  if ("length" in kind) {
    let length = 0;
    for (let i = 0; i < kind.length; i++) length += (pickle[at + i] ?? 0) * 256 ** i;
    return kind.length + length;
  }
  let end = at;
  for (let line = 0; line < kind.lines; line++) {
    const found = pickle.indexOf(10, end);
    end = found < 0 ? pickle.length : found + 1;
  }
  return end - at;
}

const numbers = [0, 1, 2, 255, 256, 65_535, 0x7fffffff, 0x80000000, 0xffffffff];

function numberInstruction(random: Random): Uint8Array {
  const value = numbers[random.integer(numbers.length)]!;
  const bytes = Array.from({ length: 4 }, (_, i) => (value >>> (8 * i)) & 0xff);
  // A long of eight bytes, an int of four, and a decimal of any size.
  const kinds = [
    [0x8a, 8, ...bytes, random.integer(2) * 0x7f, 0, 0, random.integer(2) * 0x80],
    [0x4a, ...bytes],
    [0x49, ...Buffer.from(`${value}${"0".repeat(random.integer(3) * 9)}\n`)],
    [0x4e],
    [0x88],
    [0x47, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
  ];
  return Uint8Array.from(kinds[random.integer(kinds.length)]!);
}

/** Changes the instructions of a pickle: other numbers, and instructions left out, repeated, swapped. */
export function mutatePickle(pickle: Uint8Array, random: Random): Uint8Array {
  const pieces = instructionsOf(pickle);
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const at = random.integer(pieces.length);
    const kind = random.integer(7);
    const isNumber = /[KMJI\x8a]/.test(String.fromCharCode(pieces[at]?.[0] ?? 0));
    if (kind < 3) {
      // A number becomes another one.
      const found = isNumber
        ? at
        : pieces.findIndex((piece, i) => i >= at && /[KMJ\x8a]/.test(String.fromCharCode(piece[0] ?? 0)));
      if (found >= 0) pieces[found] = numberInstruction(random);
    } else if (kind === 3) pieces.splice(at, 1);
    else if (kind === 4) pieces.splice(at, 0, pieces[random.integer(pieces.length)]!);
    else if (kind === 5) {
      const other = random.integer(pieces.length);
      [pieces[at], pieces[other]] = [pieces[other]!, pieces[at]!];
    } else pieces.splice(at, 0, numberInstruction(random));
  }
  return joined(...pieces);
}
