import { CoordTokError, disposeTree, type LongCallOptions } from "@coordtok/core";
import { SiT, type LatentFacts } from "@coordtok/diffusion";
import { latticeBlock } from "@coordtok/tokenizer/lattice";
import type { NormalizedTriplane } from "@coordtok/triplane";
import { decodesPlanes, planesOfSample } from "coordtok/film";
import type { FilmData, GenerateSettings, GeneratorFacts, PlanesData } from "../worker/types.js";
import { buffersOf, planesData } from "./film-data.js";
import type { WorkContext } from "./handlers.js";
import { fetchBytes, modelOf, referencedModel, type LoadedModel } from "./models.js";

interface LoadedGenerator {
  readonly facts: GeneratorFacts;
  readonly generator: SiT;
  readonly latents: LatentFacts;
}

/** The generator that is loaded; a page has one. */
let loaded: LoadedGenerator | undefined;

/** Loads a generator and the tokenizer that decodes what it generates. */
export async function openGenerator(
  id: string,
  source: string | Blob,
  known: Readonly<Record<string, string>>,
  options: LongCallOptions,
): Promise<GeneratorFacts> {
  const file = typeof source === "string" ? new Blob([await fetchBytes(source, options)]) : source;
  const generator = await SiT.load(file, { signal: options.signal });
  try {
    const { latents, config } = generator;
    if (latents === undefined)
      throw new CoordTokError(
        "checkpoint",
        "This generator holds no statistics of its latents; open one that train-diffusion has written.",
      );
    const model = await modelFor(latents, known, options);
    if (!decodesPlanes(model.tokenizer.config, config.planes))
      throw new CoordTokError(
        "checkpoint",
        "The tokenizer that is loaded has planes of another size than those of this generator; open the tokenizer that it was trained with first.",
      );
    const names = Array.from({ length: config.classes }, (_, i) => latents.classes[i] ?? String(i));
    const facts = { id, model: model.facts, classes: names, guided: config.labelDropout > 0, bytes: file.size };
    loaded?.generator.dispose();
    loaded = { facts, generator, latents };
    return facts;
  } catch (thrown) {
    generator.dispose();
    throw thrown;
  }
}

/** The tokenizer that a generator was trained with, or the one that was loaded last, where the checkpoint names none. */
async function modelFor(
  { tokenizer }: LatentFacts,
  known: Readonly<Record<string, string>>,
  options: LongCallOptions,
): Promise<LoadedModel> {
  if (tokenizer === undefined) return modelOf();
  const found = await referencedModel(tokenizer, known, options);
  if (found) return found;
  throw new CoordTokError(
    "checkpoint",
    `This generator makes planes of the tokenizer "${tokenizer.path}"; open that checkpoint first, then the generator, or both together.`,
  );
}

/** Generates planes from noise; they are sent after each step. */
export async function generatePlanes(
  { generator: id, seed, class: label = 0, steps, guidance = 1, solver, fps = 25 }: GenerateSettings,
  { signal, onProgress, emit }: WorkContext,
): Promise<FilmData> {
  if (!loaded || (id !== undefined && id !== loaded.facts.id))
    throw new CoordTokError("input", "No generator is loaded yet; load one first.");
  const { facts, generator, latents } = loaded;
  if (!(Number.isInteger(label) && label >= 0 && label < facts.classes.length))
    throw new CoordTokError(
      "input",
      `Expected a class from 0 to ${String(facts.classes.length - 1)}, got ${String(label)}.`,
    );
  if (guidance !== 1 && !facts.guided)
    throw new CoordTokError(
      "config",
      "This generator was never trained without classes, so it cannot be guided; leave the guidance at 1.",
    );
  if (!(guidance >= 0 && guidance <= 20))
    throw new CoordTokError("config", `Expected a guidance from 0 to 20, got ${String(guidance)}.`);
  if (!(Number.isFinite(fps) && fps > 0))
    throw new CoordTokError("config", `Expected frames per second above 0, got ${String(fps)}.`);
  const model = modelOf(facts.model.id);
  const filmOf = async (planes: NormalizedTriplane): Promise<FilmData> => {
    const triplane = planesOfSample(planes, latents.statistics, model.tokenizer.config);
    return filmOfPlanes(model, await planesData(triplane).finally(() => disposeTree(triplane)), fps);
  };
  const samples = generator.sample({
    seed,
    labels: label,
    steps,
    solver,
    guidance: guidance === 1 ? undefined : { scale: guidance },
    signal,
    onProgress: ({ done, total }) =>
      onProgress({ task: "sample", done, ...(total === undefined ? {} : { total }), unit: "steps" }),
    onState: async (planes, time) => {
      const film = await filmOf(planes);
      emit({ state: { film, time } }, film.windows.flatMap(buffersOf));
    },
  });
  let film: FilmData | undefined;
  for await (const { planes } of samples) film = await filmOf(planes).finally(() => disposeTree(planes));
  return film!;
}

/** The planes of one clip as a film. */
function filmOfPlanes({ facts }: LoadedModel, planes: PlanesData, fps: number): FilmData {
  const { xy, yt } = planes;
  const { frames, height, width } = facts.clip ?? {
    frames: yt.shape[0] * latticeBlock.time,
    height: xy.shape[0] * latticeBlock.space,
    width: xy.shape[1] * latticeBlock.space,
  };
  const whole = { top: 0, left: 0, height, width };
  const windows = [{ first: 0, frames, overlap: 0, tiles: [planes] }];
  return { model: facts.id, frames, fps, height, width, picture: whole, tiles: [whole], windows };
}
