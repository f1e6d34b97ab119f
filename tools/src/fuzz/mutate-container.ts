import type { Random } from "@coordtok/core";
import { zipOf, type FakeEntry } from "../../../packages/backend/src/setup/testdata/fake-wheel.js";
import { mutate } from "./mutate.js";
import { jsonFromTree, mutateTree, treeFromJson, type JsonTree } from "./mutate-json.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes one after another. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The two parts of a safetensors file. */
export interface Safetensors {
  readonly header: string;
  readonly data: Uint8Array;
}

/** Takes a valid safetensors file apart. */
function splitSafetensors(bytes: Uint8Array): Safetensors {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return { header: decoder.decode(bytes.subarray(8, 8 + length)), data: bytes.subarray(8 + length) };
}

/** Puts a safetensors file together, with the right length of its header. */
function joinSafetensors({ header, data }: Safetensors): Uint8Array {
  const text = encoder.encode(header.padEnd(Math.ceil(header.length / 8) * 8));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return joined(length, text, data);
}

/**
 * Changes a safetensors file: within its header, within the JSON that texts of its metadata hold, in its numbers, or any of its bytes.
 * @param repair makes a changed file consistent again, such as its checksums; half of the files get it.
 */
export function mutateSafetensors(
  bytes: Uint8Array,
  other: Uint8Array,
  random: Random,
  repair: (file: Safetensors) => Safetensors = (file) => file,
): Uint8Array {
  if (random.integer(6) === 0) return mutate(bytes, other, random);
  let { header, data } = splitSafetensors(bytes);
  const kind = random.integer(5);
  if (kind < 2) header = mutateMetadata(header, random);
  else if (kind < 4) header = jsonFromTree(mutateTree(treeFromJson(header), random));
  if (kind === 4 || random.integer(4) === 0) data = mutateNumbers(data, random);
  if (random.integer(8) === 0) data = data.slice(0, random.integer(data.length + 1));
  return joinSafetensors(random.integer(2) === 0 ? repairOrSame(repair, { header, data }) : { header, data });
}

function repairOrSame(repair: (file: Safetensors) => Safetensors, file: Safetensors): Safetensors {
  try {
    return repair(file);
  } catch {
    // There is nothing left that could be made consistent.
    return file;
  }
}

/** Changes one text of the metadata, within its structure if it is JSON. */
function mutateMetadata(header: string, random: Random): string {
  const tree = treeFromJson(header);
  const found = "members" in tree ? tree.members.find(([name]) => name === "__metadata__")?.[1] : undefined;
  if (found === undefined || !("members" in found) || found.members.length === 0)
    return jsonFromTree(mutateTree(tree, random));
  const member = found.members[random.integer(found.members.length)]!;
  const [, value] = member;
  const text = "literal" in value ? (JSON.parse(value.literal) as unknown) : undefined;
  member[1] = { literal: JSON.stringify(typeof text === "string" ? mutatedText(text, random) : "null") };
  return jsonFromTree(tree);
}

function mutatedText(text: string, random: Random): string {
  let inner: JsonTree;
  try {
    inner = treeFromJson(text);
  } catch {
    return ["", "0", "nan", "{}", text + text][random.integer(5)]!;
  }
  return jsonFromTree(mutateTree(inner, random));
}

/** Writes numbers that are not finite, or any bytes. */
function mutateNumbers(data: Uint8Array, random: Random): Uint8Array {
  const copy = new Uint8Array(data);
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const at = random.integer(copy.length + 1) & ~3;
    copy.fill([0xff, 0x7f, 0x00, random.integer(256)][random.integer(4)]!, at, at + 4 * (1 + random.integer(4)));
  }
  return copy;
}

const directoryMark = 0x02014b50;

/** Reads the files of a zip file that stores them as they are. */
export function entriesOfZip(bytes: Uint8Array): FakeEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: FakeEntry[] = [];
  // PyTorch writes the longer form of the end of the directory, so the directory is looked for.
  for (let at = Buffer.from(bytes).indexOf("PK\x01\x02"); view.getUint32(at, true) === directoryMark;) {
    const [size, nameLength] = [view.getUint32(at + 24, true), view.getUint16(at + 28, true)];
    const local = view.getUint32(at + 42, true);
    const begin = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    entries.push({
      name: decoder.decode(bytes.subarray(at + 46, at + 46 + nameLength)),
      content: bytes.subarray(begin, begin + size),
    });
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

/** Changes a zip file whose checksums fit: what one of its files holds, their names, their number. */
export function mutateZip(
  entries: readonly FakeEntry[],
  random: Random,
  mutateFile: (name: string, content: Uint8Array) => Uint8Array,
): Uint8Array {
  const changed = [...entries];
  const at = random.integer(changed.length);
  const entry = changed[at]!;
  const kind = random.integer(10);
  if (kind === 0) changed.splice(at, 1);
  else if (kind === 1) changed.push(entry);
  else if (kind === 2)
    changed[at] = { ...entry, name: ["", "../x", "archive/data.pkl", "a/b/c", "x".repeat(60_000)][random.integer(5)]! };
  else if (kind === 3) changed[at] = { ...entry, content: changed[random.integer(changed.length)]!.content };
  else changed[at] = { ...entry, content: mutateFile(entry.name, entry.content as Uint8Array) };
  return zipOf(changed);
}
