import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clipFromRgb, disposeTree, rgbFromClip } from "@coordtok/core";
import { starterBytes } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { readClip, writeVideo } from "@coordtok/video/node";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { psnrOfRgb } from "@coordtok/metrics";
import { describeEachBackend } from "@coordtok/tools";
import { afterAll, beforeAll, expect, it } from "vitest";
import { convertFile } from "../convert/convert.js";
import { decodeFilm, encodeClipToBytes, openAnyFilm } from "../film/index.js";
import { describeFile } from "../inspect/describe-file.js";
import { decodeToVideo } from "./decode-to-video.js";
import { encodeVideo } from "./encode-video.js";

const clip = syntheticClip({ frames: 21, height: 40, width: 48, seed: 3 });
let folder = "";
let video = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-coded-"));
  video = join(folder, "film.mkv");
  await writeVideo(video, framesFromClip(clip, 20), { fps: 20 });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describeEachBackend("a video as a .coordtok file", { timeout: 240_000 }, (backend) => {
  const at = (name: string): string => join(folder, `${backend}-${name}`);

  it("is decoded, described and converted both ways, and comes back bit for bit", async () => {
    const out = at("film.coordtok");
    const report = await encodeVideo(video, { out, backend, windowFrames: 8, quality: "high", motion: 8 });
    expect(report).toMatchObject({
      windows: 3,
      form: "lattice",
      source: { frames: 21, width: 48, height: 40, fps: 20 },
    });
    const described = await describeFile(out);
    expect(described).toMatchObject({
      what: "triplane",
      dtype: "coded",
      floats: report.floats,
      windows: [{ frames: 8 }, { frames: 8 }, { frames: 5, overlap: 0 }],
      checkpoint: { path: "starter-bytes" },
    });
    const { coding } = described as typeof described & { what: "triplane" };
    expect(coding!.windows[0]).toMatchObject({ step: 1 / 16, budget: { content: 32, motion: 8 } });
    const pieceBytes = coding!.pieces.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(pieceBytes + coding!.factBytes + coding!.indexBytes).toBe(report.bytes);

    const back = at("film.mkv");
    expect(await decodeToVideo(out, { out: back, backend })).toMatchObject({
      frames: 21,
      width: 48,
      height: 40,
      fps: 20,
    });
    const psnr = psnrOfRgb(clip, (await readClip(back, { length: 21, size: { height: 40, width: 48 } })).clip);
    expect(psnr.clipDb).toBeGreaterThan(24);

    const numbers = at("film.triplane.safetensors");
    await convertFile(out, numbers);
    expect(await describeFile(numbers)).toMatchObject({ dtype: "F32", budget: { content: 32, motion: 8 } });
    const again = at("again.coordtok");
    await convertFile(numbers, again, { step: 1 / 16 });
    expect(readFileSync(again)).toEqual(readFileSync(out));
  });

  it("is read only as far as its first channels are asked for", async () => {
    const out = at("channels.coordtok");
    await encodeVideo(video, { out, backend, length: 12, windowFrames: 8, step: 1 / 4 });
    const bytes = new Uint8Array(readFileSync(out));
    const film = await openAnyFilm(bytes);
    if (film.format !== "coordtok") throw new Error("It is not coded.");
    const later = film.bitstream.windows.flatMap(({ pieces }) => pieces.filter(({ first }) => first >= 8));
    expect(later.length).toBeGreaterThan(0);
    const read: (readonly [number, number])[] = [];
    const watched = await openAnyFilm({
      size: bytes.length,
      read: (offset, length) => {
        read.push([offset, length]);
        return Promise.resolve(bytes.slice(offset, offset + length));
      },
    });
    using model = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)));
    const coarse: Uint8Array[] = [];
    for await (const { data } of decodeFilm(watched, { model, budget: { content: 8, motion: 8 } })) coarse.push(data);
    expect(coarse).toHaveLength(12);
    for (const { offset, length } of later)
      expect(read.some(([from, count]) => from < offset + length && offset < from + count)).toBe(false);

    // What is not read may be damaged.
    for (const { offset } of later) bytes[offset] = bytes[offset]! ^ 1;
    const damaged = at("damaged-later.coordtok");
    writeFileSync(damaged, bytes);
    const common = { backend, checkpoint: "starter-bytes" } as const;
    await decodeToVideo(damaged, { ...common, out: at("coarse.mkv"), content: 8, motion: 8 });
    const { clip: back } = await readClip(at("coarse.mkv"));
    expect(Buffer.from(back.data)).toEqual(Buffer.concat(coarse));
    const all = decodeToVideo(damaged, { ...common, out: at("all.mkv") });
    await expect(all).rejects.toThrow("damaged in plane xy, channels 8 to 31");
    await expect(decodeToVideo(out, { ...common, out: at("x.mkv"), content: 33 })).rejects.toThrow("from 0 to the 32");
    const numbers = at("channels.triplane.safetensors");
    await convertFile(out, numbers);
    await expect(decodeToVideo(numbers, { ...common, out: at("x.mkv"), motion: 4 })).rejects.toThrow("as numbers");
  });

  it("refined with the rounding in the loop takes fewer bytes at a step, and says so", async () => {
    const common = { backend, length: 8, step: 1 / 4, windowFrames: 8 } as const;
    const bytesOfPlanes = async (path: string): Promise<number> => {
      const described = await describeFile(path);
      if (described.what !== "triplane" || described.coding === undefined) throw new Error("It is not coded.");
      return described.coding.pieces.reduce((sum, { bytes }) => sum + bytes, 0);
    };
    const plain = await encodeVideo(video, { ...common, out: at("plain.coordtok") });
    const report = await encodeVideo(video, { ...common, out: at("refined.coordtok"), refine: { steps: 6 } });
    expect(report.refinement).toMatchObject({ windows: 1, steps: 6 });
    expect(report.refinement!.psnrDb).toBeGreaterThan(report.refinement!.startPsnrDb - 1);
    expect(await bytesOfPlanes(report.triplane)).toBeLessThan(await bytesOfPlanes(plain.triplane));
    expect(await describeFile(report.triplane)).toMatchObject({ refinement: report.refinement });
  });

  it("of a clip in memory is what the file decodes to", async () => {
    using model = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)));
    const coded = await encodeClipToBytes(model, clip, { step: 1 / 8, windowFrames: 16 });
    expect(coded.planeBytes).toBeLessThan(coded.bytes.length);
    expect(coded.decoded).toMatchObject({ frameCount: 21, height: 40, width: 48 });
    expect(psnrOfRgb(clip, coded.decoded).clipDb).toBeGreaterThan(24);
    const out = at("clip.coordtok");
    writeFileSync(out, coded.bytes);
    const back = at("clip.mkv");
    await decodeToVideo(out, { out: back, backend, checkpoint: "starter-bytes" });
    const tensors = clipFromRgb([clip]);
    const whole = model.encode(tensors);
    const unrounded = await model.decode(whole, { size: { frames: 21, height: 40, width: 48 } });
    const exact = psnrOfRgb(clip, await rgbFromClip(unrounded));
    disposeTree([tensors.frames, whole, unrounded.frames]);
    expect(Math.abs(exact.clipDb - psnrOfRgb(clip, coded.decoded).clipDb)).toBeLessThan(3);
  });

  it("damaged, cut short or asked for what does not apply is refused in one sentence", async () => {
    const out = at("whole.coordtok");
    await encodeVideo(video, { out, backend, length: 8, windowFrames: 8 });
    const bytes = readFileSync(out);
    const damaged = at("damaged.coordtok");
    const edited = Uint8Array.from(bytes, (byte, i) => (i === 40 ? byte ^ 1 : byte));
    writeFileSync(damaged, edited);
    await expect(decodeToVideo(damaged, { out: at("damaged.mkv"), backend })).rejects.toThrow("is damaged in plane xy");
    truncateSync(damaged, bytes.length - 7);
    await expect(describeFile(damaged)).rejects.toThrow("is cut short");
    const encode = (options: object): Promise<unknown> =>
      encodeVideo(video, { out: at("x.coordtok"), backend, ...options });
    await expect(encode({ dtype: "F16" })).rejects.toThrow("dtype applies to triplane files");
    await expect(encode({ embedDecoder: true })).rejects.toThrow("embedDecoder applies to triplane files");
    await expect(encode({ step: 1, quality: "low" })).rejects.toThrow("either a step or a quality");
    await expect(encode({ step: 0 })).rejects.toThrow("a step of 1/65536 to 64");
    await expect(encode({ out: at("x.safetensors"), step: 1 })).rejects.toThrow("step applies to .coordtok files");
    await expect(convertFile(out, at("other.coordtok"))).rejects.toThrow("expected an output that ends in .triplane");
    await expect(convertFile(out, at("y.safetensors"), { heads: 4 })).rejects.toThrow("applies to weights");
  });
});
