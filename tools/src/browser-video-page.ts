// The program of the page that reads pictures and videos.
import { isCoordTokError, type RgbFrame } from "@coordtok/core";
import { frameFromPicture, frameFromRgba, framesFromVideo } from "@coordtok/video/web";

/** A frame as plain data: its size, time and the colour in the middle. */
export interface SeenFrame {
  readonly width: number;
  readonly height: number;
  readonly timestampSeconds: number;
  readonly middle: readonly number[];
}

/** What the page has seen. */
export interface SeenPictures {
  readonly canvas: SeenFrame;
  readonly imageData: SeenFrame;
  readonly bitmap: SeenFrame;
  readonly videoFrame: SeenFrame;
  readonly video: readonly SeenFrame[];
  readonly placeAfterwards: number;
  readonly refused: readonly string[];
}

function seen({ data, width, height, timestampSeconds }: RgbFrame): SeenFrame {
  const at = (Math.floor(height / 2) * width + Math.floor(width / 2)) * 3;
  return { width, height, timestampSeconds, middle: [...data.subarray(at, at + 3)] };
}

async function main(): Promise<SeenPictures> {
  const canvas = Object.assign(document.createElement("canvas"), { width: 10, height: 6 });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "rgb(200 60 40)";
  context.fillRect(0, 0, 10, 6);
  const bitmap = await createImageBitmap(canvas);
  const videoFrame = new VideoFrame(canvas, { timestamp: 2_500_000 });
  const element = document.createElement("video");
  element.muted = true;
  element.src = URL.createObjectURL(await (await fetch("/levels.webm")).blob());
  await new Promise((resolve, reject) => {
    element.onloadedmetadata = resolve;
    element.onerror = () => {
      reject(new Error("The video did not load."));
    };
  });
  const video: SeenFrame[] = [];
  element.currentTime = 0.3;
  for await (const frame of framesFromVideo(element, { fps: 5, startSeconds: 0.4 })) video.push(seen(frame));
  return {
    canvas: seen(frameFromPicture(canvas)),
    imageData: seen(frameFromRgba(context.getImageData(0, 0, 10, 6), 1.5)),
    bitmap: seen(frameFromPicture(bitmap, { timestampSeconds: 3 })),
    videoFrame: seen(frameFromPicture(videoFrame)),
    video,
    placeAfterwards: element.currentTime,
    refused: await refusals(element),
  };
}

async function refusals(element: HTMLVideoElement): Promise<string[]> {
  const attempts = [
    () => frameFromPicture(new Image()),
    () => frameFromRgba({ data: new Uint8Array(11), width: 2, height: 2 }),
    () => framesFromVideo(document.createElement("video"), { fps: 5 }).next(),
    () => framesFromVideo(element, { fps: 5, startSeconds: 100 }).next(),
    () => framesFromVideo(element, { fps: 5, signal: AbortSignal.abort() }).next(),
  ];
  const texts: string[] = [];
  for (const attempt of attempts)
    try {
      await attempt();
      texts.push("not refused");
    } catch (thrown) {
      texts.push(isCoordTokError(thrown) ? thrown.message : `not one of ours: ${String(thrown)}`);
    }
  return texts;
}

Object.assign(globalThis, { outcome: main() });
