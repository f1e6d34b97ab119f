/** @module-tag ffmpeg */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RgbClip } from "@coordtok/core";
import { mistyped } from "@coordtok/tools/mistyped";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readClip } from "../read-clip.js";
import { makeClipFolder, type ClipFolder } from "../testdata/make-clips.js";
import { openWindowLoader, type WindowLoaderOptions } from "./window-loader.js";

let folder: ClipFolder;
let [short, long, store] = ["", "", ""];
const size = { width: 16, height: 12 };

beforeAll(() => {
  folder = makeClipFolder();
  short = folder.make("-f lavfi -i testsrc2=s=40x30:r=25:d=2 -c:v libx264 -pix_fmt yuv420p", "short.mp4");
  // Frame n has the grey level n mod 251, in every pixel.
  long = folder.make(
    "-f lavfi -i color=black:s=16x12:r=25:d=28,format=gray,geq=lum='mod(N,251)' -c:v ffv1 -g 50",
    "long.mkv",
  );
});

let count = 0;
beforeEach(() => {
  store = folder.at(`store ${count++}`);
});

afterAll(() => {
  folder.remove();
});

async function reading<T>(
  options: Partial<WindowLoaderOptions>,
  read: (loader: ReturnType<typeof openWindowLoader>) => Promise<T>,
): Promise<T> {
  await using loader = openWindowLoader({ frames: { size }, longest: 8, storeFolder: store, ...options });
  return await read(loader);
}

/** Windows at several places of the short video. */
const places = [0, 0.3, 0.5, 0.999];
const shortWindows = (options: Partial<WindowLoaderOptions>): Promise<RgbClip[]> =>
  reading(options, (loader) => Promise.all(places.map((place) => loader.read({ path: short, place, frames: 8 }))));

const stored = (): string[] => readdirSync(store).filter((name) => name.endsWith(".frames"));

describe("the loader of windows", { timeout: 240_000 }, () => {
  it("reads the frames that readClip reads, with any number of threads, stored or not", async () => {
    const expected = await Promise.all(
      [0, 12, 21, 42].map(async (start) => (await readClip(short, { start, length: 8, size })).clip),
    );
    expect(await shortWindows({ workers: 0, storeBytes: 0 })).toEqual(expected);
    for (const workers of [0, 2]) {
      rmSync(store, { recursive: true, force: true });
      expect(await shortWindows({ workers }), `${workers} threads`).toEqual(expected);
      expect(stored()).toHaveLength(1);
      expect(await shortWindows({ workers }), `${workers} threads, stored`).toEqual(expected);
    }
    const [again, other] = await Promise.all([shortWindows({ workers: 1 }), shortWindows({ workers: 0 })]);
    expect([again, other]).toEqual([expected, expected]);
  });

  it("decodes only the part of a long video in which a window lies", async () => {
    await reading({ workers: 0 }, async (loader) => {
      for (const place of [0.999, 0, 0.37, 0.95]) {
        const { data, frameCount } = await loader.read({ path: long, place, frames: 8 });
        const first = Math.floor(place * (700 - 8 + 1));
        expect(frameCount).toBe(8);
        for (let i = 0; i < 8; i++) expect(data[i * 16 * 12 * 3], `${place} ${i}`).toBeCloseTo((first + i) % 251, -0.5);
      }
      expect(stored()).toHaveLength(3);
    });
    const place = 0.5;
    const one = await reading({ workers: 0 }, (loader) => loader.read({ path: long, place, frames: 8 }));
    expect(
      await reading({ workers: 1, storeBytes: 0 }, (loader) => loader.read({ path: long, place, frames: 8 })),
    ).toEqual(one);
  });

  it("decodes a damaged entry anew", async () => {
    const expected = await shortWindows({ workers: 0 });
    const path = join(store, stored()[0]!);
    const bytes = readFileSync(path);
    for (let at = 0; at < 50 * 16 * 12 * 3; at += 16 * 12 * 3) bytes[at]! ^= 1;
    writeFileSync(path, bytes);
    expect(await shortWindows({ workers: 0 })).toEqual(expected);
    expect(readFileSync(path).equals(bytes)).toBe(false);
  });

  it("knows a video by its content, under every name", async () => {
    await shortWindows({ workers: 0 });
    const copy = folder.at("copy of short.mp4");
    writeFileSync(copy, readFileSync(short));
    const before = await reading({ workers: 0 }, (loader) => loader.read({ path: copy, place: 0, frames: 8 }));
    expect(stored()).toHaveLength(1);
    await reading({ workers: 0, frames: { size: { width: 8, height: 8 } } }, (loader) =>
      loader.read({ path: copy, place: 0, frames: 8 }),
    );
    expect(stored()).toHaveLength(2);
    writeFileSync(copy, readFileSync(long));
    expect(await reading({ workers: 0 }, (loader) => loader.read({ path: copy, place: 0, frames: 8 }))).not.toEqual(
      before,
    );
  });

  it("shrinks frames to a short side and enlarges none", async () => {
    const read = async (shortSide: number): Promise<number[]> => {
      const { width, height } = await reading({ workers: 0, frames: { shortSide } }, (loader) =>
        loader.read({ path: short, place: 0, frames: 2 }),
      );
      return [width, height];
    };
    expect(await read(15)).toEqual([20, 15]);
    expect(await read(100)).toEqual([40, 30]);
  });

  it("gives all frames of a video that is shorter than the window", async () => {
    const clip = await reading({ workers: 0, longest: 100 }, (loader) =>
      loader.read({ path: short, place: 0.9, frames: 100 }),
    );
    expect(clip.frameCount).toBe(50);
  });

  it("reports what is wrong with a file in the same words from a thread, and goes on", async () => {
    writeFileSync(folder.at("letter.mp4"), "dear reader");
    const request = { path: folder.at("letter.mp4"), place: 0, frames: 8 };
    for (const workers of [0, 1])
      await reading({ workers }, async (loader) => {
        await expect(loader.read(request)).rejects.toMatchObject({
          code: "not-a-video",
          message: expect.stringContaining("letter.mp4") as string,
        });
        expect((await loader.read({ path: short, place: 0, frames: 8 })).frameCount).toBe(8);
      });
  });

  it("stops what it reads when it is closed, and leaves nothing half-written", async () => {
    for (const workers of [0, 2]) {
      const loader = openWindowLoader({ frames: { size }, longest: 8, storeFolder: store, workers });
      const results = Promise.allSettled(places.map((place) => loader.read({ path: long, place, frames: 8 })));
      await loader.close();
      for (const result of await results)
        if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "aborted" });
      await expect(loader.read({ path: long, place: 0, frames: 8 })).rejects.toMatchObject({ code: "aborted" });
      const left = existsSync(store) ? readdirSync(store) : [];
      expect(left.filter((name) => /partial|lock/.test(name))).toEqual([]);
    }
  });

  it("refuses options that make no sense", () => {
    const options = { frames: { size }, longest: 8 };
    for (const wrong of [
      { workers: -1 },
      { workers: 1.5 },
      { longest: 0 },
      { storeBytes: -1 },
      { frames: { shortSide: 0 } },
    ])
      expect(() => openWindowLoader({ ...options, ...wrong })).toThrow(/Expected/);
    expect(() => openWindowLoader(mistyped({ ...options, worker: 1 }))).toThrow('did you mean "workers"?');
  });
});
