import { quoted, type Fail } from "./failure.js";
import { narrowed, PickleInput } from "./pickle-input.js";
import { isKind, isList, openRecord, type OpenRecord, type TorchValue } from "./values.js";

/** What a pickle needs from its surroundings. */
export interface PickleWorld {
  /** Calls a known function; returns `undefined` for any other function. */
  readonly call: (name: string, args: readonly TorchValue[]) => TorchValue | undefined;
  /** Resolves a reference to something outside the pickle. */
  readonly resolve: (reference: TorchValue) => TorchValue;
  readonly fail: Fail;
}

/** More values than the checkpoint of any model has; each takes up to a few hundred bytes of memory, whatever its size in the file. */
const mostValues = 1_000_000;
const deepestStack = 100_000;

/**
 * Reads one pickle (protocols 0 to 5). A pickle is a program for a small stack machine. Instructions that call
 * something reach only `world.call`, and a call that it does not know fails.
 * @returns the value, and the length of the pickle in bytes.
 * @throws what `world.fail` throws, and `outOfBytes` if the bytes end first.
 */
export function unpickle(bytes: Uint8Array, world: PickleWorld): { value: TorchValue; length: number } {
  const input = new PickleInput(bytes, world.fail);
  const machine = new Machine(input, world, 4 * bytes.length + 10_000);
  return { value: machine.run(), length: input.position };
}

/** The stack machine: a stack with marks, and a memory of numbered values. */
class Machine {
  readonly input: PickleInput;
  readonly world: PickleWorld;
  readonly #stack: TorchValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, TorchValue>();
  #values = 0;
  #copies: number;
  #isDone = false;

  /** @param copies the number of parts of values that all calls together may copy; reused parts count each time. */
  constructor(input: PickleInput, world: PickleWorld, copies: number) {
    this.input = input;
    this.world = world;
    this.#copies = copies;
  }

  run(): TorchValue {
    while (!this.#isDone) {
      const code = this.input.byte();
      const instruction = instructions[code];
      if (!instruction)
        return this.world.fail(
          `the pickle has the unknown instruction 0x${code.toString(16).padStart(2, "0")} at byte ${this.input.position - 1}`,
        );
      instruction(this);
    }
    return this.pop();
  }

  stop(): void {
    this.#isDone = true;
  }

  push(value: TorchValue): void {
    if (++this.#values > mostValues || this.#stack.length >= deepestStack)
      this.world.fail("the pickle makes more values than any checkpoint needs");
    this.#stack.push(value);
  }

  pop(): TorchValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0))
      return this.world.fail("the pickle takes a value from an empty stack");
    return this.#stack.pop()!;
  }

  top(): TorchValue {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  mark(): void {
    if (this.#marks.length >= deepestStack) this.world.fail("the pickle is nested too deeply");
    this.#marks.push(this.#stack.length);
  }

  /** Removes and returns everything above the last mark, and removes the mark. */
  popMarked(): TorchValue[] {
    const mark = this.#marks.pop();
    return mark === undefined
      ? this.world.fail("the pickle closes a list that it did not open")
      : this.#stack.splice(mark);
  }

  /** Removes the topmost value, or the topmost mark if there is no value above it. */
  drop(): void {
    if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  remember(index: number = this.#memo.size): void {
    if (this.#memo.size >= mostValues) this.world.fail("the pickle remembers more values than any checkpoint needs");
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    this.push(
      value === undefined ? this.world.fail(`the pickle recalls the value ${index}, which it never stored`) : value,
    );
  }

  call(callee: TorchValue, args: TorchValue): void {
    if (!isKind(callee, "name") || !isList(args))
      return this.world.fail("the pickle calls something that is not a function");
    this.#copies -= args.reduce<number>((sum, value) => sum + partsOf(value), 1);
    if (this.#copies < 0) this.world.fail("the pickle copies more values than any checkpoint needs");
    const value = this.world.call(callee.name, args);
    if (value === undefined)
      return this.world.fail(
        `the pickle asks to call ${quoted(callee.name)}, which no checkpoint of weights needs; nothing was called; do not load this file with other programs unless you trust its origin`,
      );
    this.push(value);
  }

  /** Makes an object of a class without calling the class. */
  create(callee: TorchValue, args: TorchValue): void {
    if (!isKind(callee, "name") || !isList(args))
      return this.world.fail("the pickle makes an object of something that is not a class");
    const isKnown = callee.name.startsWith("collections.");
    this.push((isKnown ? this.world.call(callee.name, args) : undefined) ?? openRecord(callee.name, args));
  }

  /** Sets the attributes of an object. Those of tensors and dictionaries do not matter and are dropped. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (isKind(target, "record")) (target as OpenRecord).state = state;
    else if (!(isKind(target, "tensor") || target instanceof Map || target instanceof Set))
      this.world.fail("the pickle sets attributes of something that has none");
  }

  append(values: readonly TorchValue[]): void {
    const target = this.top();
    const list = isKind(target, "record") ? (target as OpenRecord).items : target;
    if (list instanceof Set) for (const value of values) (list as Set<TorchValue>).add(value);
    else if (isList(list)) for (const value of values) (list as TorchValue[]).push(value);
    else this.world.fail("the pickle appends to something that is not a list");
  }

  assign(values: readonly TorchValue[]): void {
    const target = this.top();
    const map = isKind(target, "record") ? (target as OpenRecord).pairs : target;
    if (!(map instanceof Map) || values.length % 2 !== 0)
      return this.world.fail("the pickle stores a pair in something that is not a dictionary");
    for (let i = 0; i < values.length; i += 2) (map as Map<TorchValue, TorchValue>).set(values[i]!, values[i + 1]!);
  }
}

function partsOf(value: TorchValue): number {
  if (typeof value === "string" || value instanceof Uint8Array || isList(value)) return value.length;
  return value instanceof Map || value instanceof Set ? value.size : 1;
}

type Instruction = (machine: Machine) => void;

function nameOf(module: string, name: string): TorchValue {
  return { kind: "name", name: `${module === "__builtin__" ? "builtins" : module}.${name}` };
}

function numberOfLine(machine: Machine, isLong: boolean): TorchValue {
  const line = machine.input.line();
  if (line === "00" || line === "01") return line === "01";
  const digits = isLong && line.endsWith("L") ? line.slice(0, -1) : line;
  return /^-?\d{1,40}$/.test(digits)
    ? narrowed(BigInt(digits))
    : machine.world.fail("the pickle has a malformed whole number");
}

function floatOfLine(machine: Machine): number {
  const line = machine.input.line();
  const value = line === "inf" ? Infinity : line === "-inf" ? -Infinity : Number(line);
  const isFloat = line === "nan" || (line.trim() !== "" && !Number.isNaN(value));
  return isFloat ? value : machine.world.fail("the pickle has a malformed number");
}

/** A quoted string as Python 2 prints it; only the escapes of bytes and quotes occur. */
function textOfLine(machine: Machine): string {
  const literal = /^(['"])(.*)\1$/s.exec(machine.input.line())?.[2];
  if (literal === undefined) return machine.world.fail("the pickle has a string without quotes");
  const named: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };
  return literal.replace(/\\(?:x([0-9a-f]{2})|(.))/gs, (_, hex: string | undefined, sign: string | undefined) =>
    hex === undefined ? (named[sign!] ?? sign!) : String.fromCharCode(parseInt(hex, 16)),
  );
}

function unicodeOfLine(machine: Machine): string {
  return machine.input.line().replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

function memoIndex(machine: Machine): number {
  const line = machine.input.line();
  return /^\d{1,9}$/.test(line)
    ? Number(line)
    : machine.world.fail("the pickle numbers a value by something that is not a number");
}

const pushing =
  (make: (machine: Machine) => TorchValue): Instruction =>
  (machine) =>
    machine.push(make(machine));

const tuple =
  (length: number): Instruction =>
  (machine) =>
    machine.push(Array.from({ length }, () => machine.pop()).reverse());

/** Makes an object from a class and the values above the mark, as protocols 0 and 1 do: by calling the class. */
function createMarked(machine: Machine, classFirst: boolean): void {
  const values = machine.popMarked();
  const callee = classFirst ? (values.shift() ?? null) : nameOf(machine.input.line(), machine.input.line());
  machine.call(callee, values);
}

function createWithNames(machine: Machine): void {
  const named = machine.pop();
  const args = machine.pop();
  if (named instanceof Map && named.size > 0) machine.world.fail("the pickle makes an object from named arguments");
  machine.create(machine.pop(), args);
}

/** The instructions by their opcode, a character as in Python's module `pickletools`, or a number from protocol 2 on. */
const byCode: readonly (readonly [code: string | number, instruction: Instruction])[] = [
  [".", (machine) => machine.stop()],
  ["(", (machine) => machine.mark()],
  ["0", (machine) => machine.drop()],
  ["1", (machine) => void machine.popMarked()],
  ["2", pushing((machine) => machine.top())],
  ["N", pushing(() => null)],
  [0x88, pushing(() => true)],
  [0x89, pushing(() => false)],
  ["I", pushing((machine) => numberOfLine(machine, false))],
  ["L", pushing((machine) => numberOfLine(machine, true))],
  ["F", pushing(floatOfLine)],
  ["J", pushing(({ input }) => input.int32())],
  ["K", pushing(({ input }) => input.byte())],
  ["M", pushing(({ input }) => input.uint16())],
  ["G", pushing(({ input }) => input.double())],
  [0x8a, pushing(({ input }) => input.long(input.byte()))],
  [0x8b, pushing(({ input }) => input.long(input.uint32()))],
  ["S", pushing(textOfLine)],
  ["T", pushing(({ input }) => input.latin(input.uint32()))],
  ["U", pushing(({ input }) => input.latin(input.byte()))],
  ["V", pushing(unicodeOfLine)],
  ["X", pushing(({ input }) => input.text(input.uint32()))],
  [0x8c, pushing(({ input }) => input.text(input.byte()))],
  [0x8d, pushing(({ input }) => input.text(input.uint64()))],
  ["B", pushing(({ input }) => input.take(input.uint32()))],
  ["C", pushing(({ input }) => input.take(input.byte()))],
  [0x8e, pushing(({ input }) => input.take(input.uint64()))],
  [0x96, pushing(({ input }) => input.take(input.uint64()))],
  ["]", pushing(() => [])],
  [")", pushing(() => [])],
  ["}", pushing(() => new Map())],
  [0x8f, pushing(() => new Set())],
  ["l", pushing((machine) => machine.popMarked())],
  ["t", pushing((machine) => machine.popMarked())],
  [0x91, pushing((machine) => new Set(machine.popMarked()))],
  [
    "d",
    (machine) => {
      const pairs = machine.popMarked();
      machine.push(new Map());
      machine.assign(pairs);
    },
  ],
  [0x85, tuple(1)],
  [0x86, tuple(2)],
  [0x87, tuple(3)],
  ["a", (machine) => machine.append([machine.pop()])],
  ["e", (machine) => machine.append(machine.popMarked())],
  [0x90, (machine) => machine.append(machine.popMarked())],
  ["s", (machine) => machine.assign([machine.pop(), machine.pop()].reverse())],
  ["u", (machine) => machine.assign(machine.popMarked())],
  ["p", (machine) => machine.remember(memoIndex(machine))],
  ["q", (machine) => machine.remember(machine.input.byte())],
  ["r", (machine) => machine.remember(machine.input.uint32())],
  [0x94, (machine) => machine.remember()],
  ["g", (machine) => machine.recall(memoIndex(machine))],
  ["h", (machine) => machine.recall(machine.input.byte())],
  ["j", (machine) => machine.recall(machine.input.uint32())],
  ["c", pushing(({ input }) => nameOf(input.line(), input.line()))],
  [
    0x93,
    (machine) => {
      const name = machine.pop();
      const module = machine.pop();
      if (typeof name !== "string" || typeof module !== "string")
        machine.world.fail("the pickle names something by a value that is not a string");
      else machine.push(nameOf(module, name));
    },
  ],
  [
    "R",
    (machine) => {
      const args = machine.pop();
      machine.call(machine.pop(), args);
    },
  ],
  [
    0x81,
    (machine) => {
      const args = machine.pop();
      machine.create(machine.pop(), args);
    },
  ],
  [0x92, createWithNames],
  ["i", (machine) => createMarked(machine, false)],
  ["o", (machine) => createMarked(machine, true)],
  ["b", (machine) => machine.build()],
  ["P", pushing(({ input, world }) => world.resolve(input.line()))],
  ["Q", pushing((machine) => machine.world.resolve(machine.pop()))],
  [0x80, ({ input }) => void input.byte()],
  [0x95, ({ input }) => void input.uint64()],
];

const instructions: readonly (Instruction | undefined)[] = (() => {
  const table = new Array<Instruction | undefined>(256).fill(undefined);
  for (const [code, instruction] of byCode) table[typeof code === "number" ? code : code.charCodeAt(0)] = instruction;
  return table;
})();
