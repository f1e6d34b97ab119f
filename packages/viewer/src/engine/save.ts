import { CoordTokError, disposeTree, throwIfAborted } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import {
  codedFilmFacts,
  dequantize,
  encodeBitstream,
  quantize,
  readBitstream,
  type BitstreamWindow,
} from "@coordtok/bitstream";
import { encodeFilm, packTriplane, type StoredPlane } from "@coordtok/triplane";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import type {
  ChannelBudget,
  FilmData,
  PlaneName,
  PlanesData,
  RateFacts,
  RateSettings,
  SaveSettings,
  WindowData,
} from "../worker/types.js";
import { planesData, triplaneOf } from "./film-data.js";
import { filmFacts } from "./film-facts.js";
import type { WorkContext } from "./handlers.js";
import { modelOf } from "./models.js";

/** Writes a film as a file. */
export async function saveFile(film: FilmData, settings: SaveSettings, { signal }: WorkContext): Promise<Blob> {
  const { format = "triplane", name, budget } = settings;
  if (format === "coordtok") {
    const { blob } = await codedFilm(film, { step: settings.step, budget, name }, signal);
    return blob;
  }
  const model = modelOf(film.model);
  const dtype = settings.dtype ?? film.origin?.dtype ?? "F32";
  const stored: StoredPlane[] = [];
  for (const { tiles } of film.windows)
    for (const planes of tiles) {
      throwIfAborted(signal);
      const triplane = triplaneOf(planes);
      try {
        stored.push(...(await packTriplane(triplane, { dtype, budget })));
      } finally {
        disposeTree(triplane);
      }
    }
  const facts = { ...filmFacts(film, model, name), config: asJson(model.tokenizer.config), ...(budget && { budget }) };
  return blobOf(encodeFilm(facts, stored), signal);
}

/** Rounds and codes the planes of a film and counts the bytes. */
export async function rateOf(
  film: FilmData,
  { step, budget }: RateSettings,
  { signal }: WorkContext,
): Promise<RateFacts> {
  const { blob, windows } = await codedFilm(film, { step, budget, name: undefined }, signal);
  const file = await readBitstream(blob, (stored) => stored);
  const bytes: Record<PlaneName, number> = { xy: 0, yt: 0, xt: 0 };
  for (const { pieces } of file.windows) for (const { plane, length } of pieces) bytes[plane] += length;
  return { bytes: blob.size, planes: bytes, film: { ...film, windows } };
}

interface Coding {
  /** Default: the steps of the file that the film was opened from. */
  readonly step: number | undefined;
  readonly budget: ChannelBudget | undefined;
  readonly name: string | undefined;
}

/** A film as a `.coordtok` file, and its planes as they will be read from it. */
async function codedFilm(
  film: FilmData,
  { step, budget, name }: Coding,
  signal: AbortSignal,
): Promise<{ readonly blob: Blob; readonly windows: readonly WindowData[] }> {
  const model = modelOf(film.model);
  const { config } = model.tokenizer;
  const stored = film.origin?.coding;
  const windows: WindowData[] = [];
  const code = async function* (): AsyncGenerator<BitstreamWindow> {
    for (const [index, window] of film.windows.entries()) {
      const own = {
        step: step ?? stored?.[index]?.step ?? defaultStep(config),
        budget: budget ?? stored?.[index]?.budget,
      };
      const tiles: PlanesData[] = [];
      for (const planes of window.tiles) {
        throwIfAborted(signal);
        const triplane = triplaneOf(planes);
        const codes = await quantize(triplane, { step: own.step }).finally(() => disposeTree(triplane));
        yield { codes, budget: own.budget };
        const rounded = dequantize(codes);
        tiles.push(await planesData(rounded).finally(() => disposeTree(rounded)));
      }
      windows.push({ ...window, tiles });
    }
  };
  const { budget: whole, ...facts } = filmFacts(film, model, name);
  const measured =
    step === undefined ? stored?.map(({ psnrDb }) => psnrDb).filter((psnrDb) => psnrDb !== undefined) : [];
  const described = codedFilmFacts({
    ...facts,
    config: asJson(config),
    ...(measured && measured.length === film.windows.length ? { windowsPsnrDb: measured } : {}),
  });
  const priors = config.form === "lattice" && config.channels <= 32 ? "starter" : "none";
  const blob = await blobOf(encodeBitstream(code(), described, { priors, signal }), signal);
  return { blob, windows };
}

/** An eighth for the lattice form, whose planes have one scale. */
function defaultStep({ form }: AnyTokenizerConfig): number {
  if (form === "lattice") return 1 / 8;
  throw new CoordTokError("config", "The planes of the paper's form have no known scale; choose how they are rounded.");
}

async function blobOf(parts: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Blob> {
  const own: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of parts) {
    throwIfAborted(signal);
    own.push(Uint8Array.from(part));
  }
  return new Blob(own, { type: "application/octet-stream" });
}
