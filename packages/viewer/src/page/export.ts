import { storedNumbers, tokenCount } from "./edits.js";
import type { Session } from "./session.js";

/** Gives a file to the person at the page. */
export function saveAs(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\p{L}\p{N}._ -]+/gu, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The planes as they are drawn, unfolded, as one picture. */
export async function planesPng(): Promise<Blob | undefined> {
  const canvasOf = (plane: string): HTMLCanvasElement | null =>
    document.querySelector<HTMLCanvasElement>(`canvas[data-layer="${plane}"]`);
  const [xy, yt, xt] = [canvasOf("xy"), canvasOf("yt"), canvasOf("xt")];
  if (!xy || !yt || !xt) return undefined;
  const gap = 12;
  const canvas = document.createElement("canvas");
  canvas.width = xy.width + gap + xt.width;
  canvas.height = xy.height + gap + yt.height;
  const context = canvas.getContext("2d")!;
  context.drawImage(xy, 0, 0);
  context.drawImage(xt, xy.width + gap, 0);
  context.drawImage(yt, 0, xy.height + gap);
  return new Promise((done) => canvas.toBlob((blob) => done(blob ?? undefined), "image/png"));
}

/** The measurements of the page as JSON. */
export function measurements({ state, frames, clock }: Session): Blob {
  const { film, edits, rate, backend, model, shown, step, shares, timing } = state.get();
  const facts = {
    name: shown?.name,
    frames: frames.count,
    width: frames.width,
    height: frames.height,
    fps: clock.fps,
    backend: backend?.name,
    model: model?.id,
    form: model?.form,
    psnrDb: frames.psnr(),
    framePsnrDb: Array.from({ length: frames.count }, (_, i) => frames.psnrOf(i)),
    tokens: film && tokenCount(film),
    numbers: film && storedNumbers(film, edits.budget),
    budget: edits.budget,
    edits: { modes: edits.modes, shift: edits.shift, strokes: edits.strokes.length },
    roundingStep: step,
    codedBytes: rate?.bytes,
    planeBytes: rate?.planes,
    sourceBytes: shown?.source?.bytes,
    planesAlone: shares,
    timing,
  };
  return new Blob([`${JSON.stringify(facts, null, 2)}\n`], { type: "application/json" });
}
