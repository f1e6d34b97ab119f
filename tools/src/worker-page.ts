// The program of the page that the test of the viewer's worker opens.
import { isCoordTokError } from "@coordtok/core";
import { syntheticClip } from "@coordtok/video";
import { CoordTokWorker, type FilmData, type GeneratedState } from "@coordtok/viewer/worker";

/** What the page has seen. */
export interface SeenWorker {
  readonly backend: string;
  readonly oneThread: boolean;
  readonly isolated: boolean;
  readonly frames: number;
  readonly windows: readonly number[];
  readonly part: readonly number[];
  readonly improved: boolean;
  readonly isBufferGone: boolean;
  readonly classes: readonly string[];
  readonly times: readonly number[];
  readonly generated: number;
  readonly refused: readonly (string | undefined)[];
}

const program = "/program.js";

/** The mean squared error of decoded frames. */
async function errorOf(worker: CoordTokWorker, film: FilmData, original: Uint8Array): Promise<number> {
  let sum = 0;
  const size = film.height * film.width * 3;
  for (const { position, data } of await worker.decode(film))
    for (let i = 0; i < size; i++) sum += (data[i]! - original[position * size + i]!) ** 2;
  return sum;
}

async function main(): Promise<SeenWorker> {
  using worker = await CoordTokWorker.start({ program, backend: "wasm" });
  await worker.load("starter");
  const clip = syntheticClip({ frames: 8, height: 32, width: 32, seed: 2 });
  const windows: number[] = [];
  const film = await worker.encode(clip, { windowFrames: 8, overlap: 0, onWindow: (_, index) => windows.push(index) });
  const [part] = await worker.decode(film, { positions: [3], rectangle: { top: 8, left: 8, height: 8, width: 16 } });
  const better = await worker.refine(film, clip, { steps: 3 });
  const improved = (await errorOf(worker, better, clip.data)) < (await errorOf(worker, film, clip.data));

  const tokenizer = await (await fetch("/tokenizer.safetensors")).blob();
  await worker.load(tokenizer);
  const { classes } = await worker.loadGenerator(await (await fetch("/generator.safetensors")).blob());
  const states: GeneratedState[] = [];
  const generated = await worker.generate({ seed: 3, steps: 4, onState: (state) => states.push(state) });

  const stop = new AbortController();
  const stopped = worker.generate({ steps: 1000, signal: stop.signal, onState: () => stop.abort() });
  const moved = { ...clip, data: Uint8Array.from(clip.data) };
  const refused = [
    await codeOf(stopped),
    await codeOf(worker.generate({ class: 9 })),
    await codeOf(worker.generate({ seed: 3, guidance: 99 })),
    await codeOf(worker.encode(moved, { model: "starter", transfer: true, signal: AbortSignal.abort() })),
    await codeOf(worker.loadGenerator(tokenizer)),
  ];
  refused.push(await codeOf(worker.encode(moved, { model: "unknown", transfer: true })));
  return {
    backend: worker.backend.name,
    oneThread: /1 thread/.test(worker.backend.device),
    isolated: crossOriginIsolated,
    frames: film.frames,
    windows,
    part: [part!.position, part!.height, part!.width, part!.data.length],
    improved,
    isBufferGone: moved.data.length === 0,
    classes,
    times: states.map(({ time }) => time),
    generated: generated.frames,
    refused,
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (thrown) {
    return isCoordTokError(thrown) ? thrown.code : String(thrown);
  }
}

Object.assign(globalThis, { outcome: main() });
