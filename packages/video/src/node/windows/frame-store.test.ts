import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FrameStore } from "./frame-store.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-frames-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const keyOf = (digit: string): string => digit.repeat(64);
const fileOf = (key: string): string => join(folder, `${key}.frames`);
const entries = (): string[] => readdirSync(folder).filter((name) => name.endsWith(".frames"));

/** Frames of 4x2 pixels, the n-th full of the value n. */
async function* frames(count: number): AsyncGenerator<{ width: number; height: number; data: Uint8Array }> {
  await Promise.resolve();
  for (let n = 0; n < count; n++) yield { width: 4, height: 2, data: new Uint8Array(24).fill(n) };
}

describe("the store of frames", () => {
  it("gives back any frames of an entry, to a store opened later as well", async () => {
    const store = await FrameStore.open(1e9, folder);
    expect(await store.find(keyOf("a"))).toBeUndefined();
    await store.write(keyOf("a"), frames(5), undefined);
    await using found = await (await FrameStore.open(1e9, folder)).find(keyOf("a"));
    expect(found).toMatchObject({ width: 4, height: 2, frameCount: 5 });
    expect([...(await found!.read(2, 2))]).toEqual([...Array<number>(24).fill(2), ...Array<number>(24).fill(3)]);
  });

  it("takes a damaged frame for an error, and an entry that is cut, foreign or of another name for none", async () => {
    const store = await FrameStore.open(1e9, folder);
    await store.write(keyOf("a"), frames(3), undefined);
    const bytes = readFileSync(fileOf(keyOf("a")));
    const flipped = Buffer.from(bytes);
    flipped[30]! ^= 1;
    writeFileSync(fileOf(keyOf("a")), flipped);
    await using found = await store.find(keyOf("a"));
    await expect(found!.read(0, 1)).resolves.toHaveLength(24);
    await expect(found!.read(1, 1)).rejects.toMatchObject({ code: "file-format" });
    for (const [digit, content] of [
      ["b", bytes],
      ["c", bytes.subarray(0, 100)],
      ["d", Buffer.from("nothing like it")],
      ["e", Buffer.alloc(0)],
    ] as const) {
      writeFileSync(fileOf(keyOf(digit)), content);
      expect(await store.find(keyOf(digit)), digit).toBeUndefined();
    }
    // The table of checksums, the description and the length of that.
    for (const at of [3 * 24 + 1, 3 * 24 + 20, bytes.length - 11]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      writeFileSync(fileOf(keyOf("a")), damaged);
      expect(await store.find(keyOf("a")), String(at)).toBeUndefined();
    }
    expect(entries()).toEqual([]);
  });

  it("removes the entries that were not used for the longest time when it is full, never the newest", async () => {
    const size = 5 * 28;
    const store = await FrameStore.open(3.5 * (size + 200), folder);
    for (const [age, digit] of ["a", "b", "c"].entries()) {
      await store.write(keyOf(digit), frames(5), undefined);
      utimesSync(fileOf(keyOf(digit)), 1e9 + age, 1e9 + age);
    }
    // Using an entry makes it young.
    await (await store.find(keyOf("a")))![Symbol.asyncDispose]();
    await store.write(keyOf("d"), frames(5), undefined);
    expect(entries().sort()).toEqual(["a", "c", "d"].map((digit) => `${keyOf(digit)}.frames`));
    const small = await FrameStore.open(1, folder);
    await small.write(keyOf("e"), frames(5), undefined);
    expect(entries()).toEqual([`${keyOf("e")}.frames`]);
  });

  it("writes an entry completely or not at all", async () => {
    const store = await FrameStore.open(1e9, folder);
    const failing = async function* (): ReturnType<typeof frames> {
      yield* frames(2);
      throw new Error("the video ends");
    };
    await expect(store.write(keyOf("a"), failing(), undefined)).rejects.toThrow("the video ends");
    await expect(store.write(keyOf("a"), frames(0), undefined)).rejects.toMatchObject({ code: "input" });
    expect(readdirSync(folder)).toEqual([".coordtok.json"]);
  });

  it("lets one make an entry while others wait", async () => {
    const store = await FrameStore.open(1e9, folder);
    const order: string[] = [];
    const release = await store.reserve(keyOf("a"), undefined);
    const second = store.reserve(keyOf("a"), undefined).then(async (done) => {
      order.push("second");
      await done();
    });
    order.push("first");
    await release();
    await second;
    expect(order).toEqual(["first", "second"]);
  });

  it("takes no folder that holds other things", async () => {
    writeFileSync(join(folder, "letter.txt"), "dear");
    await expect(FrameStore.open(1e9, folder)).rejects.toMatchObject({ code: "file-exists" });
    truncateSync(join(folder, "letter.txt"));
  });
});
