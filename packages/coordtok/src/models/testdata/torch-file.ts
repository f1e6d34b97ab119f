import { crc32 } from "node:zlib";
import { openSafetensors } from "@coordtok/core";

/** Opcodes of pickle's protocol 2. */
const op = { proto: "\x80\x02", dict: "}", mark: "(", setItems: "u", tuple: "t", reduce: "R", persistent: "Q", no: "\x89", stop: "." };

/** Writes a checkpoint as `torch.save` does, `{"model": …, "args": …}`, with the float32 tensors of a safetensors file. */
export async function torchFile(safetensors: Uint8Array, args: Readonly<Record<string, number>>): Promise<Uint8Array> {
  const file = await openSafetensors(safetensors);
  const entries: { name: string; bytes: Uint8Array }[] = [];
  let pickle = `${op.proto}${op.dict}${op.mark}${text("model")}${op.dict}${op.mark}`;
  for (const [name, { shape }] of file.entries) {
    const bytes = await file.readBytes(name);
    const key = String(entries.length);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
    const storage = `${op.mark}${text("storage")}${global("torch", "FloatStorage")}${text(key)}${text("cpu")}${int(bytes.byteLength / 4)}${op.tuple}${op.persistent}`;
    const hooks = `${global("collections", "OrderedDict")})${op.reduce}`;
    const facts = `${storage}${int(0)}${tuple(shape)}${tuple(strides)}${op.no}${hooks}`;
    pickle += `${text(name)}${global("torch._utils", "_rebuild_tensor_v2")}${op.mark}${facts}${op.tuple}${op.reduce}`;
    entries.push({ name: `archive/data/${key}`, bytes });
  }
  pickle += `${op.setItems}${text("args")}${op.dict}${op.mark}`;
  for (const [name, value] of Object.entries(args)) pickle += text(name) + int(value);
  pickle += op.setItems + op.setItems + op.stop;
  const latin = (content: string): Uint8Array => Buffer.from(content, "latin1");
  return zip([
    { name: "archive/data.pkl", bytes: latin(pickle) },
    ...entries,
    { name: "archive/version", bytes: latin("3\n") },
  ]);
}

function little(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes.toString("latin1");
}

function text(value: string): string {
  return `X${little(value.length)}${value}`;
}

function int(value: number): string {
  return `J${little(value)}`;
}

function tuple(values: readonly number[]): string {
  return `${op.mark}${values.map(int).join("")}${op.tuple}`;
}

function global(module: string, name: string): string {
  return `c${module}\n${name}\n`;
}

/** A zip file without compression. */
function zip(entries: readonly { readonly name: string; readonly bytes: Uint8Array }[]): Uint8Array {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes } of entries) {
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt32LE(crc32(bytes), 10);
    facts.writeUInt32LE(bytes.byteLength, 14);
    facts.writeUInt32LE(bytes.byteLength, 18);
    facts.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const head = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), facts, Buffer.from(name)]);
    parts.push(head, Buffer.from(bytes));
    central.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00", "latin1"), facts, place, Buffer.from(name)]));
    offset += head.byteLength + bytes.byteLength;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.reduce((sum, { byteLength }) => sum + byteLength, 0), 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...central, end]);
}
