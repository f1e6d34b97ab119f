import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";

/** A file in a fake archive. */
export interface FakeEntry {
  readonly name: string;
  readonly content: string | Uint8Array;
  /** The Unix mode (default: that of an ordinary file). */
  readonly mode?: number;
}

/** Returns the bytes of an uncompressed zip archive whose files may have any names, even malicious ones. */
export function zipOf(entries: readonly FakeEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, mode = 0o100644 } of entries) {
    const data = Buffer.from(content as Uint8Array);
    const nameBytes = Buffer.from(name);
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt32LE(crc32(data), 10);
    facts.writeUInt32LE(data.length, 14);
    facts.writeUInt32LE(data.length, 18);
    facts.writeUInt16LE(nameBytes.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    parts.push(Buffer.from("PK\x03\x04"), facts, nameBytes, data);
    directory.push(Buffer.from("PK\x01\x02"), Buffer.from([20, 3]), facts, tail, nameBytes);
    offset += 30 + nameBytes.length + data.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listing, end]);
}

/** Returns the `RECORD` of a wheel with these files. */
export function recordOf(entries: readonly FakeEntry[]): string {
  const lines = entries.map(({ name, content }) => {
    const sum = createHash("sha256").update(content).digest("base64url");
    return `${name},sha256=${sum},${String(Buffer.from(content as Uint8Array).length)}`;
  });
  return `${lines.join("\n")}\nfake.dist-info/RECORD,,\n`;
}

/** Writes a wheel with a correct `RECORD`. */
export function writeWheel(path: string, entries: readonly FakeEntry[]): void {
  writeFileSync(path, zipOf([...entries, { name: "fake.dist-info/RECORD", content: recordOf(entries) }]));
}

const includes = "tensorflow/include/";

/** A small version of the files that setup extracts from TensorFlow's wheel, and some that it skips. */
export const tensorflowEntries: readonly FakeEntry[] = [
  { name: "tensorflow/libtensorflow_cc.so.2", content: "the large library ".repeat(1000), mode: 0o100755 },
  { name: "tensorflow/libtensorflow_framework.so.2", content: "the small library", mode: 0o100755 },
  { name: `${includes}tensorflow/c/c_api.h`, content: '#include "tensorflow/c/deep.h"\n#include <string>\n' },
  { name: `${includes}tensorflow/c/deep.h`, content: '# include "beside.h"\n' },
  { name: `${includes}tensorflow/c/beside.h`, content: "" },
  { name: `${includes}tensorflow/c/unneeded.h`, content: "" },
  { name: "tensorflow/python/huge.so", content: "not needed" },
  {
    name: "fake.dist-info/METADATA",
    content: "Name: tensorflow\nRequires-Dist: nvidia-fake-cu12 ==1.0 ; extra == 'and-cuda'\n\nText\n",
  },
];
