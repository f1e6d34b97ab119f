import { FfmpegLog, plainLine } from "../../../packages/video/src/node/ffmpeg-log.js";
import { readPpm } from "../../../packages/video/src/node/ppm.js";
import { factsFromBanner, factsFromFfprobe, type StreamFacts } from "../../../packages/video/src/node/stream-facts.js";
import { mutateJson, mutateText } from "./mutate-json.js";
import { mutate } from "./mutate.js";
import type { FuzzTarget } from "./run-fuzz.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const probed = {
  streams: [
    {
      codec_type: "video",
      codec_name: "h264",
      pix_fmt: "yuv420p",
      width: 320,
      height: 240,
      r_frame_rate: "30000/1001",
      avg_frame_rate: "25/1",
      nb_frames: "250",
      duration: "10.01",
      sample_aspect_ratio: "4:3",
      color_transfer: "smpte2084",
      disposition: { attached_pic: 0, timed_thumbnails: 0 },
      tags: { rotate: "90", alpha_mode: "1" },
      side_data_list: [{ rotation: -90 }],
    },
    { codec_type: "audio", codec_name: "aac", disposition: { attached_pic: 0 } },
  ],
  format: { format_name: "mov,mp4,m4a,3gp,3g2,mj2", duration: "10.04" },
};

const banner = `Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'clip.mp4':
  Metadata:
    title           : frame:0 pts:0
  Duration: 00:01:02.50, start: 0.000000, bitrate: 700 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709/bt709/smpte2084, progressive), 320x240 [SAR 4:3 DAR 16:9], 600 kb/s, 29.97 fps, 29.97 tbr, 30k tbn (default)
    Metadata:
      rotate          : 90
      alpha_mode      : 1
    Side data:
      displaymatrix: rotation of -90.00 degrees
  Stream #0:1[0x2](und): Audio: aac (LC), 48000 Hz, stereo, fltp, 96 kb/s (default)
`;

const log = `[info] Input #0, avi, from 'clip.avi':
[info]   title : frame:0 pts:0 pts_time:777
[info] Stream mapping:
[Parsed_metadata_1 @ 0x55d0a0b1c2c0] [info] frame:0    pts:0       pts_time:0
[Parsed_metadata_1 @ 0x55d0a0b1c2c0] [info] frame:1    pts:512     pts_time:0.04
[mpeg4 @ 0x55d0a0b1c2c1] [error] Invalid data found when processing input
[Parsed_showinfo_0 @ 0x5] [info] n:   2 pts:   1024 pts_time:0.08    pos:  48 fmt:yuv420p
`;

/** What ffprobe and ffmpeg print: they repeat what the file says. */
export function programTargets(): FuzzTarget[] {
  return [
    {
      name: "ffprobe",
      weight: 2,
      seeds: [encoder.encode(JSON.stringify(probed))],
      mutate: (seed, _, random) => encoder.encode(mutateJson(decoder.decode(seed), random)),
      read: async (input, past) => {
        const facts = factsFromFfprobe("clip.mp4", decoder.decode(input));
        past();
        if (facts) checkFacts(facts);
        return Promise.resolve();
      },
    },
    {
      name: "ffmpeg-banner",
      seeds: [encoder.encode(banner)],
      mutate: (seed, _, random) => encoder.encode(mutateText(decoder.decode(seed), random)),
      read: async (input, past) => {
        const facts = factsFromBanner(decoder.decode(input).split("\n"));
        if (facts) past();
        if (facts) checkFacts(facts);
        return Promise.resolve();
      },
    },
    {
      name: "ffmpeg-log",
      seeds: [encoder.encode(log)],
      mutate: (seed, _, random) => encoder.encode(mutateText(decoder.decode(seed), random)),
      read: readLog,
    },
    {
      name: "ppm",
      seeds: [Buffer.concat([picture(2, 3), picture(2, 3), picture(5, 1)])],
      mutate: (seed, other, random) =>
        random.integer(2) === 0
          ? mutate(seed, other, random)
          : Buffer.from(mutateText(Buffer.from(seed).toString("latin1"), random), "latin1"),
      read: async (input, past) => {
        for await (const { width, height, data } of readPpm(chunks(input), undefined, 2 ** 20)) {
          past();
          if (data.length !== width * height * 3) throw new Error("A picture is not of its size.");
        }
      },
    },
  ];
}

/** Facts that no caller checks again have to be numbers that can be computed with. */
function checkFacts({
  width,
  height,
  rotation,
  rate,
  averageRate,
  frameCount,
  durationSeconds,
  pixelAspect,
}: StreamFacts): void {
  const positive = [width, height, rate, averageRate, frameCount, durationSeconds, pixelAspect?.value];
  if (!positive.every((value) => value === undefined || (Number.isFinite(value) && value > 0)))
    throw new Error(`Not all positive: ${positive.join()}`);
  const whole = [width, height, frameCount];
  if (!whole.every((value) => value === undefined || Number.isSafeInteger(value)))
    throw new Error(`Not all whole: ${whole.join()}`);
  if (!Number.isFinite(rotation)) throw new Error(`The rotation is ${rotation}.`);
}

async function readLog(input: Uint8Array, past: () => void): Promise<void> {
  const parsed = new FfmpegLog(() => true);
  for (const line of decoder.decode(input).split("\n")) {
    // Longer lines are cut before they are parsed.
    parsed.take(line.slice(0, 4096));
    plainLine(line.slice(0, 4096));
  }
  parsed.end();
  if (parsed.decoded > 0) past();
  for (let index = 0; index < parsed.decoded; index++) await parsed.timeOf(index);
}

function picture(width: number, height: number): Buffer {
  return Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), Buffer.alloc(width * height * 3, 200)]);
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) yield await Promise.resolve(bytes.subarray(at, at + 7));
}
