import { CoordTokError, disposeTree, nestTensors } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { openAnyFilm, type OpenedFilm as AnyFilm } from "coordtok/film";
import { CoordTok, LatticeCoordTok, type AnyTokenizer } from "@coordtok/tokenizer";
import { latticeParamShapes, type LatticeDecoderParams } from "@coordtok/tokenizer/lattice";
import { decoderShapes, type DecoderParams } from "@coordtok/tokenizer/model";
import type { FilmOrigin, FilmData, OpenedFilm, PlanesData, WindowData } from "../worker/types.js";
import { planesData } from "./film-data.js";
import type { WorkContext } from "./handlers.js";
import { keepModel, modelOf, referencedModel, type LoadedModel } from "./models.js";

/** The most numbers of planes that are read from one file, 1 GB of them. */
const mostNumbers = 2 ** 28;

/** Reads all planes of a file of planes, and loads the model that made them where the page has it. */
export async function openFile(
  file: Blob,
  known: Readonly<Record<string, string>>,
  context: WorkContext,
): Promise<OpenedFilm> {
  const film = await openAnyFilm(file);
  const model = await modelFor(film, known, context);
  const shape = film.windows.length * film.tiles.length * film.height * film.width;
  if (shape > mostNumbers)
    throw new CoordTokError("memory", "This film is too long to be shown whole; decode it with the command line.");
  const windows: WindowData[] = [];
  for (const [index, { first, frames, overlap }] of film.windows.entries()) {
    const tiles: PlanesData[] = [];
    for (const tile of film.tiles.keys()) {
      const triplane = await film.readWindow(index, { tile, signal: context.signal });
      try {
        tiles.push(await planesData(triplane));
      } finally {
        disposeTree(triplane);
      }
    }
    windows.push({ first, frames, overlap, tiles });
    context.onProgress({ task: "read planes", done: index + 1, total: film.windows.length, unit: "windows" });
  }
  const { height, width, picture, tiles, source } = film;
  const data: FilmData = {
    model: model.facts.id,
    frames: source.frames,
    fps: source.fps,
    height,
    width,
    picture,
    tiles,
    windows,
    origin: originOf(film),
  };
  return { film: data, model: model.facts, name: source.name, bytes: file.size };
}

/** What of a file is kept to write it again as it was. */
function originOf(film: AnyFilm): FilmOrigin {
  const { source, windows, height, width, picture, tiles, budget, checkpoint, creator, precision, refinement } = film;
  const facts = asJson(
    JSON.parse(
      JSON.stringify({
        source,
        windows,
        height,
        width,
        picture,
        tiles,
        budget,
        checkpoint,
        creator,
        precision,
        refinement,
      }),
    ) as object,
  );
  if (film.format === "triplane") return { format: "triplane", facts, dtype: film.dtype === "F16" ? "F16" : "F32" };
  const { coding } = film;
  return {
    format: "coordtok",
    facts,
    coding: coding.map(({ step, budget: kept, psnrDb }) => ({ step, budget: kept, psnrDb })),
  };
}

/** The model that made a film: the decoder in it, one that is loaded, or one that the page knows by name. */
async function modelFor(
  film: AnyFilm,
  known: Readonly<Record<string, string>>,
  { signal, onProgress }: WorkContext,
): Promise<LoadedModel> {
  const { checkpoint } = film;
  if (film.hasDecoder) return keepModel("in-file", await embedded(film, signal), 0, undefined);
  const found = checkpoint && (await referencedModel(checkpoint, known, { signal, onProgress }));
  if (found) return found;
  const current = modelOf();
  if (JSON.stringify(film.config) === JSON.stringify(current.tokenizer.config) && !checkpoint) return current;
  throw new CoordTokError(
    "checkpoint",
    `The planes of this file were made with the checkpoint "${checkpoint?.path ?? "of another form"}"; open that checkpoint first, then the planes.`,
  );
}

async function embedded(film: AnyFilm, signal: AbortSignal): Promise<AnyTokenizer> {
  const { config } = film;
  if (config.form === "paper") {
    const decoder = nestTensors(await film.readDecoder(decoderShapes(config), { signal })) as DecoderParams;
    return CoordTok.from(config, { decoder });
  }
  const shapes = [...latticeParamShapes(config)].filter(([name]) => name.startsWith("decoder."));
  const own = new Map(shapes.map(([name, shape]) => [name.slice("decoder.".length), shape]));
  const decoder = nestTensors(await film.readDecoder(own, { signal })) as LatticeDecoderParams;
  return LatticeCoordTok.from(config, { decoder });
}
