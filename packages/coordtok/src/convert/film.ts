import { stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, relative, resolve } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { CoordTokError, isCoordTokError, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import { checkBackend } from "@coordtok/core/checks";
import type { FileSource } from "@coordtok/core/node";
import { asJson, countText } from "@coordtok/core/text";
import type { CheckpointReference, FilmBudget, Triplane } from "@coordtok/triplane";
import { disposeTriplane } from "@coordtok/triplane";
import { isCodedName, writeCodedFilm } from "../clip/coded-file.js";
import { writeFilm, type WriteFilmOptions, type WrittenFilm } from "../clip/film-file.js";
import { openAnyFilm, type OpenedFilm, type TriplaneWindow } from "../film/index.js";
import { codingStep } from "../film/code-stream.js";
import { knownModel } from "../models/known-models.js";
import { ownVersion } from "../inspect/versions.js";
import type { ConvertOptions, ConvertReport } from "./convert.js";

/** Options that say something about weights, and nothing about films. */
const weightsOptions = ["weights", "part", "config", "statistics", "heads", "encoderHeads", "decoderHeads"] as const;

/**
 * Converts a film from one format to the other: planes as numbers in a triplane file, rounded and coded in a `.coordtok` file.
 * @throws CoordTokError `usage` for two files of one format or options that do not apply; as the readers and writers of both; `aborted`.
 */
export async function convertFilm(source: FileSource, output: string, options: ConvertOptions): Promise<ConvertReport> {
  checkFilmOptions(output, options);
  const film = await openAnyFilm(source);
  if (isCodedName(output) === (film.format === "coordtok"))
    throw new CoordTokError(
      "usage",
      film.format === "coordtok"
        ? `"${source.path}" is a .coordtok file, which is converted to a triplane file; expected an output that ends in .triplane.safetensors, got "${output}".`
        : `"${source.path}" is a triplane file, which is converted to a .coordtok file; expected an output that ends in .coordtok, got "${output}".`,
    );
  await someBackend();
  if (film.hasDecoder)
    options.onWarning?.(`The decoder in "${source.path}" is left out: a .coordtok file carries none.`);
  const written = await write(film, source.path, output, options);
  const { size: bytes } = await stat(output);
  return {
    input: source.path,
    output,
    as: "film",
    direction: "copy",
    facts: [
      ["input", film.format === "coordtok" ? "planes rounded and coded" : `planes as ${film.dtype}`],
      ["film", `${film.source.frames} frames in ${countText(film.windows.length, "window")}`],
    ],
    tensors: 3 * film.windows.length * film.tiles.length,
    parameters: written.floats,
    dropped: [],
    config: asJson(film.config),
    bytes,
  };
}

function checkFilmOptions(output: string, options: ConvertOptions): void {
  const given = weightsOptions.find((name) => options[name] !== undefined);
  if (given !== undefined)
    throw new CoordTokError("usage", "This option applies to weights, not to films; leave it out.", {
      options: { [given]: undefined },
    });
  if (isCodedName(output)) {
    if (options.dtype !== undefined)
      throw new CoordTokError(
        "usage",
        "The planes of a .coordtok file are rounded and have no number format; leave it out.",
        {
          options: { dtype: undefined },
        },
      );
  } else {
    for (const name of ["step", "quality"] as const)
      if (options[name] !== undefined)
        throw new CoordTokError("usage", "Planes are rounded only for a .coordtok file; leave this option out.", {
          options: { [name]: undefined },
        });
    if (options.dtype === "BF16")
      throw new CoordTokError("usage", "A triplane file holds numbers as F32 or F16, not as BF16.", {
        options: { dtype: undefined },
      });
  }
}

/** Planes pass through tensors, for which any backend will do. */
async function someBackend(): Promise<void> {
  try {
    checkBackend();
  } catch (thrown) {
    if (!isCoordTokError(thrown)) throw thrown;
    await prepareBackend("inference", { backend: "cpu" });
  }
}

function write(film: OpenedFilm, input: string, output: string, options: ConvertOptions): Promise<WrittenFilm> {
  const { step, quality, dtype, overwrite, signal, onProgress } = options;
  const { checkpoint, source, creator = `coordtok ${ownVersion}`, refinement, precision, config } = film;
  const describe: WriteFilmOptions["describe"] = () => ({
    config: asJson(config),
    source,
    creator,
    ...(checkpoint && { checkpoint: referenceFrom(checkpoint, input, output) }),
    ...(refinement && { refinement }),
    ...(precision !== undefined && { precision }),
  });
  const common = { describe, overwrite, signal };
  const windows = windowsOf(film, { signal, onProgress });
  if (film.format === "triplane") {
    const { budget } = film;
    return writeCodedFilm(output, windows, { ...common, config, budget, step: codingStep(config, { step, quality }) });
  }
  return writeFilm(output, windows, { ...common, dtype: dtype === "F16" ? "F16" : "F32", budget: largestBudget(film) });
}

/** The path in a reference is one from the folder of its file. */
function referenceFrom(reference: CheckpointReference, input: string, output: string): CheckpointReference {
  const { path, sha256 } = reference;
  const isName = knownModel(path) !== undefined || /^(?:hf|https?):/.test(path);
  if (isName || isAbsolute(path) || /^[\\/]{2}/.test(path)) return reference;
  const moved = relative(dirname(resolve(output)), resolve(dirname(input), path))
    .split("\\")
    .join("/");
  return { path: moved === "" ? basename(path) : moved, sha256 };
}

/** The channels that any window stores. */
function largestBudget(film: OpenedFilm & { readonly format: "coordtok" }): FilmBudget | undefined {
  const most = (name: keyof FilmBudget): number =>
    film.coding.reduce((sum, { budget }) => Math.max(sum, budget[name]), 0);
  return { content: most("content"), motion: most("motion") };
}

async function* windowsOf(
  film: OpenedFilm,
  { signal, onProgress }: LongCallOptions,
): AsyncGenerator<TriplaneWindow, void, undefined> {
  const { height, width, picture, tiles } = film;
  for (const [i, window] of film.windows.entries()) {
    throwIfAborted(signal);
    const triplanes: Triplane[] = [];
    try {
      for (const tile of tiles.keys()) triplanes.push(await film.readWindow(i, { tile, signal }));
    } catch (thrown) {
      triplanes.forEach(disposeTriplane);
      throw thrown;
    }
    yield { ...window, picture: { height, width, picture, tiles }, triplanes, timestampsSeconds: [] };
    onProgress?.({ task: "convert", done: i + 1, total: film.windows.length, unit: "windows" });
  }
}
