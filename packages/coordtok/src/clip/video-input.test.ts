import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { describeEachBackend } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { memory } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeFile } from "../inspect/describe-file.js";
import { loadPretrained } from "../models/load-pretrained.js";
import { encodeVideo, type EncodeReport } from "./encode-video.js";
import type { VideoInput } from "./video-input.js";

let folder = "";
let video = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-input-"));
  video = join(folder, "film.mkv");
  const clip = syntheticClip({ frames: 5, height: 24, width: 32, seed: 3 });
  await writeVideo(video, framesFromClip(clip, 20), { fps: 20 });
  // Other tests have temporary folders as well.
  vi.stubEnv("TMPDIR", mkdtempSync(join(folder, "tmp-")));
});

afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const temporary = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("coordtok-video-"));

describeEachBackend("a video", { timeout: 240_000 }, (backend) => {
  it("may be a path, bytes, a blob or a stream, and the model one that is loaded", async () => {
    using model = await loadPretrained("starter");
    const tensors = memory().numTensors;
    const before = temporary();
    const bytes = readFileSync(video);
    const inputs: Readonly<Record<string, VideoInput>> = {
      path: video,
      buffer: bytes,
      file: new File([bytes], "name.mkv"),
      stream: createReadStream(video),
    };
    const reports: Record<string, EncodeReport> = {};
    const out = (name: string): string => join(folder, `${backend}-${name}.triplane.safetensors`);
    for (const [name, input] of Object.entries(inputs))
      reports[name] = await encodeVideo(input, { model, out: out(name), checkpoint: "starter" });
    const names = Object.values(reports).map(({ source }) => source.name);
    expect(names).toEqual(["film.mkv", "video", "name.mkv", "video"]);
    const planes = (name: string): Buffer => readFileSync(out(name)).subarray(-reports[name]!.floats * 4);
    for (const name of Object.keys(inputs)) expect(planes(name).equals(planes("path")), name).toBe(true);
    expect(reports["buffer"]).toMatchObject({ backend, windows: 1, source: { frames: 5, width: 32, height: 24 } });
    expect(memory().numTensors).toBe(tensors);
    expect(temporary()).toEqual(before);

    const unnamed = await encodeVideo(video, { model, out: out("unnamed") });
    expect(unnamed.checkpoint).toBeUndefined();
    expect(planes("path").equals(readFileSync(out("unnamed")).subarray(-unnamed.floats * 4))).toBe(true);
    expect(await describeFile(out("unnamed"))).not.toHaveProperty("checkpoint.path");
  });

  it("that is none is refused in a sentence with its name, and nothing stays behind", async () => {
    const before = temporary();
    const out = join(folder, "refused.triplane.safetensors");
    const refused = async (input: unknown, options: object = {}): Promise<string> =>
      encodeVideo(mistyped(input), { out, backend, ...options }).then(
        () => "not refused",
        (thrown: unknown) => (thrown as Error).message,
      );
    expect(await refused(7)).toBe("Expected a video as a path, a Uint8Array, a Blob or a stream of bytes, got number.");
    expect(await refused(new Uint8Array())).toBe('"video" is empty (0 bytes); was it copied or downloaded completely?');
    expect(await refused(new Blob(["no video"]))).toBe(
      '"video" is not a video file that ffmpeg knows, but a text file.',
    );
    expect(await refused(Readable.from(["a", "b"]))).toBe(
      "Expected a stream of bytes, got one of strings; leave its encoding unset.",
    );
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(new Uint8Array(4));
      throw new Error("the connection was cut");
    };
    expect(await refused(broken())).toBe("the connection was cut");
    expect(await refused(new Blob(["x"]), { signal: AbortSignal.abort() })).toBe("Stopped on request.");
    using model = await loadPretrained("starter");
    expect(await refused(video, { model })).toMatch(/^A loaded model is used on the backend that holds it/);
    expect(temporary()).toEqual(before);
    expect(readdirSync(folder)).not.toContain("refused.triplane.safetensors");
  });
});
