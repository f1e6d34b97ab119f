// The program of a page with a file input, disabled until there are weights, and a canvas: a video that is chosen is encoded in a worker, decoded and
// drawn frame by frame, then its planes are refined and it is drawn again. Bundle it with Vite or webpack, or name the worker's program:
// CoordTokWorker.start({ program: "/coordtok/program.js" }).
import { CoordTokWorker, type DecodedFrame, type FramesData } from "@coordtok/viewer/worker";

/** The frames of a video element, 25 a second, 2 seconds of it at most. */
async function framesOf(video: HTMLVideoElement, height: number, width: number): Promise<FramesData> {
  const frameCount = Math.min(50, Math.floor(video.duration * 25));
  const data = new Uint8Array(frameCount * height * width * 3);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  for (let frame = 0; frame < frameCount; frame++) {
    video.currentTime = frame / 25;
    await new Promise((done) => video.addEventListener("seeked", done, { once: true }));
    context.drawImage(video, 0, 0, width, height);
    const rgba = context.getImageData(0, 0, width, height).data;
    for (let i = 0; i < height * width; i++)
      data.set(rgba.subarray(i * 4, i * 4 + 3), (frame * height * width + i) * 3);
  }
  return { data, frameCount, height, width };
}

function draw(canvas: HTMLCanvasElement, { data, height, width }: DecodedFrame): void {
  const picture = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) picture.data.set([...data.subarray(i * 3, i * 3 + 3), 255], i * 4);
  canvas.getContext("2d")!.putImageData(picture, 0, 0);
}

const [input, canvas] = [document.querySelector("input")!, document.querySelector("canvas")!];
const worker = await CoordTokWorker.start();
await worker.load("starter", {
  onProgress: ({ done, total }) => (document.title = `${done} of ${total ?? "?"} bytes`),
});

async function show(file: File): Promise<void> {
  const video = Object.assign(document.createElement("video"), { src: URL.createObjectURL(file) });
  await new Promise((done) => video.addEventListener("loadeddata", done, { once: true }));
  const frames = await framesOf(video, 128, 128);
  const film = await worker.encode(frames, { fps: 25 });
  await worker.decode(film, { onFrame: (frame) => draw(canvas, frame) });
  const better = await worker.refine(film, frames, { steps: 10 });
  await worker.decode(better, { onFrame: (frame) => draw(canvas, frame) });
}

input.addEventListener("change", () => void show(input.files![0]!));
input.disabled = false;
