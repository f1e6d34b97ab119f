/** @module-tag ffmpeg */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { syntheticClip } from "@coordtok/video";
import { readClip } from "@coordtok/video/node";
import { expect, it } from "vitest";
import {
  addressOf,
  browserNames as names,
  bundleForBrowser,
  outcomeOfPage,
  programOnPath,
  servePage,
} from "./browser-program.js";
import type { ReadFrame } from "./colour-page.js";

const program = programOnPath(names);
const ffmpeg = programOnPath(["ffmpeg"]);
const size = { width: 96, height: 64 };

/** The matrices of videos in limited range, as ffmpeg and mp4 files name them; the last says nothing in the file. */
const matrices = { bt601: "smpte170m", bt709: "bt709", untagged: undefined } as const;

/** Writes some frames as H.264 in an mp4 file, nearly without loss. */
async function writeMp4(path: string, matrix: string | undefined): Promise<void> {
  const tags =
    matrix === undefined
      ? []
      : ["-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix, "-color_range", "tv"];
  const filter = `scale=out_color_matrix=${matrix ?? "smpte170m"}:out_range=tv,format=yuv420p`;
  const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", "25", "-i", "-"];
  const codec = ["-c:v", "libx264", "-crf", "4", "-preset", "fast"];
  await new Promise<void>((done, fail) => {
    const child = execFile(ffmpeg!, ["-v", "error", ...input, "-vf", filter, ...tags, ...codec, path], (error) => {
      if (error) fail(error);
      else done();
    });
    child.stdin!.end(syntheticClip({ frames: 4, ...size, seed: 9 }).data);
  });
}

it(
  "the page reads the colours of an mp4 file as the command line does, to 2.5 levels on average where the file names its matrix, to 7 where it does not",
  { timeout: 120_000 },
  async ({ skip }) => {
    if (program === undefined) return skip(`none of ${names.join(", ")} is on PATH`);
    if (ffmpeg === undefined) return skip("ffmpeg is not on PATH");
    const folder = await mkdtemp(join(tmpdir(), "coordtok-colour-"));
    const videos = Object.entries(matrices).map(([name, matrix]) => ({ name: `${name}.mp4`, matrix }));
    try {
      for (const { name, matrix } of videos) await writeMp4(join(folder, name), matrix);
      const bodies = await Promise.all(
        videos.map(
          async ({ name }) => [name, { type: "video/mp4", body: await readFile(join(folder, name)) }] as const,
        ),
      );
      const list = { type: "application/json", body: Buffer.from(JSON.stringify(videos.map(({ name }) => name))) };
      const bundle = await bundleForBrowser(join(import.meta.dirname, "colour-page.ts"));
      const files = { ...Object.fromEntries(bodies), "names.json": list };
      const server = await servePage({ script: bundle.outputFiles[0]!.text, files });
      try {
        const read = await outcomeOfPage<Readonly<Record<string, ReadFrame>>>(program, addressOf(server));
        const found: Record<string, { mean: number; largest: number }> = {};
        for (const { name } of videos) {
          const { clip } = await readClip(join(folder, name));
          const { data, ...shape } = read[name]!;
          expect(shape).toEqual(size);
          const differences = data.map((value, i) => Math.abs(value - clip.data[i]!));
          found[name] = {
            mean: differences.reduce((sum, one) => sum + one, 0) / differences.length,
            largest: Math.max(...differences),
          };
        }
        for (const [name, { mean, largest }] of Object.entries(found)) {
          expect(mean, name).toBeLessThan(name.startsWith("untagged") ? 7 : 2.5);
          expect(largest, name).toBeLessThan(64);
        }
      } finally {
        server.close();
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
