import {
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import { checkRate } from "../clip.js";
import { frameFromPicture } from "./frame.js";

/** Options of {@link framesFromVideo}. */
export interface FramesFromVideoOptions extends LongCallOptions {
  /** Frames per second to take, 0.001 to 1000000. A page is not told the rate of a video. */
  readonly fps: number;
  /** The second of the video to begin at (default 0). */
  readonly startSeconds?: number | undefined;
  /** The second to end before (default: the end of the video). */
  readonly endSeconds?: number | undefined;
}

const optionNames: OptionNames<FramesFromVideoOptions> = {
  ...longCallOptionNames,
  fps: true,
  startSeconds: true,
  endSeconds: true,
};

/** How long a browser may take to go to a place in a video, in milliseconds. */
const longestSeekMs = 30_000;

/**
 * Goes through the video of a page at a fixed rate and reads what it shows, frame by frame; the video is paused meanwhile and stands where it was
 * left afterwards. Every frame is one seek, which takes some milliseconds: decoding with WebCodecs is faster and exact to the frame.
 * @param video that has loaded its metadata.
 * @throws CoordTokError `input` for a video that has not loaded, cannot be decoded or belongs to another site; `config`; `aborted`.
 */
export async function* framesFromVideo(
  video: HTMLVideoElement,
  options: FramesFromVideoOptions,
): AsyncGenerator<RgbFrame, void, undefined> {
  checkOptions(options, optionNames, "framesFromVideo");
  const { fps, startSeconds = 0, signal, onProgress } = options;
  checkRate(fps);
  if (!(Number.isFinite(video.duration) && video.videoWidth > 0))
    throw new CoordTokError(
      "input",
      "Expected a video that has loaded, got one without a size or a length; wait for loadedmetadata.",
    );
  const endSeconds = Math.min(options.endSeconds ?? video.duration, video.duration);
  if (!(startSeconds >= 0 && startSeconds < endSeconds))
    throw new CoordTokError(
      "config",
      `Expected startSeconds from 0 to before ${endSeconds}, where the frames end, got ${startSeconds}.`,
    );
  if (video.seekable.length === 0 || video.seekable.end(video.seekable.length - 1) < startSeconds)
    throw new CoordTokError(
      "input",
      "This video cannot be searched: its server does not answer requests for ranges; load it as a Blob.",
    );
  const before = video.currentTime;
  video.pause();
  const total = Math.max(1, Math.round((endSeconds - startSeconds) * fps));
  try {
    for (let index = 0; index < total; index++) {
      throwIfAborted(signal);
      const timestampSeconds = index / fps;
      // The middle of a frame's time, so that rounding does not choose its neighbour.
      await seek(video, Math.min(startSeconds + (index + 0.5) / fps, video.duration));
      yield frameFromPicture(video, { timestampSeconds });
      onProgress?.({ task: "read", done: index + 1, total, unit: "frames" });
    }
  } finally {
    video.currentTime = before;
  }
}

async function seek(video: HTMLVideoElement, seconds: number): Promise<void> {
  if (video.currentTime === seconds && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) return;
  await new Promise<void>((resolve, reject) => {
    const stop = new AbortController();
    const fail = (reason: string): void => {
      stop.abort();
      reject(new CoordTokError("input", `The video cannot be shown at ${seconds.toFixed(3)} s: ${reason}.`));
    };
    const timer = setTimeout(() => {
      fail("the browser does not get there");
    }, longestSeekMs);
    stop.signal.addEventListener("abort", () => {
      clearTimeout(timer);
    });
    const arrived = (): void => {
      // The end of an earlier seek.
      if (video.seeking || Math.abs(video.currentTime - seconds) > 1e-3) return;
      stop.abort();
      resolve();
    };
    video.addEventListener("seeked", arrived, { signal: stop.signal });
    video.addEventListener("error", () => fail(video.error?.message ?? "it is damaged"), { signal: stop.signal });
    video.currentTime = seconds;
  });
}
