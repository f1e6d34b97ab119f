import {
  areFinite,
  assignStrict,
  checkOptions,
  CoordTokError,
  floatsOf,
  longCallOptionNames,
  messageOf,
  openCheckpoint,
  throwIfAborted,
  type CheckpointFile,
  type ExpectedShapes,
  type Json,
  type LongCallOptions,
  type OptionNames,
  type RangeSource,
} from "@coordtok/core";
import { parseStoredJson } from "@coordtok/core/text";
import { pad, tensor4d, tidy, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { planeNames, type PlaneName } from "./axes.js";
import { crc32c } from "./crc32c.js";
import { parseFilmFacts, type FilmFacts, type FilmWindow } from "./film-facts.js";
import { channelsOf, filmVersion, planeKey, type FilmStorage } from "./film-write.js";
import { decoderPrefix, readTriplaneFile, triplaneKind } from "./format.js";
import { disposeTriplane, planeShape, type Triplane, type TriplaneShape } from "./triplane.js";

/** The size of a clip in frames and pixels. */
export interface FilmClipSize {
  /** Frames. */
  readonly frames: number;
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
}

/** What {@link openFilm} has to know about the tokenizers whose films it reads. */
export interface FilmForm<Config> {
  /** Checks the stored configuration of the tokenizer and gives it its type. */
  readonly parseConfig: (stored: Json) => Config;
  /** The planes that the tokenizer makes of a clip. */
  readonly shapeOf: (config: Config, size: FilmClipSize) => TriplaneShape;
  /** The size of the frames of files of version 1, which do not say it. @throws CoordTokError for a form that version 1 never held. */
  readonly frameSize: (config: Config) => Pick<FilmClipSize, "height" | "width">;
}

/** Which tile of a window is read. */
export interface ReadWindowOptions extends Pick<LongCallOptions, "signal"> {
  /** The number of the tile (default 0). */
  readonly tile?: number | undefined;
}

const readWindowOptionNames: OptionNames<ReadWindowOptions> = { signal: true, tile: true };

/** A film in a file of any format, whose facts have been read; planes are read when asked for, while the source is open. */
export interface Film<Config> extends FilmFacts {
  /** The configuration of the tokenizer. */
  readonly config: Config;
  /** Whether a decoder is in the file. */
  readonly hasDecoder: boolean;
  /**
   * Reads the planes of a window as float32, owned by the caller; channels that are not stored are 0. Nothing else is read.
   * @throws CoordTokError `input` for a window or tile that there is not, `file-format` when a checksum differs, `aborted`.
   */
  readWindow(window: number, options?: ReadWindowOptions): Promise<Triplane>;
  /**
   * Reads the weights of the decoder by name, owned by the caller.
   * @param expected the names and shapes that belong to the configuration.
   * @throws CoordTokError `checkpoint` when the file carries none, or one that does not match exactly.
   */
  readDecoder(expected: ExpectedShapes, options?: LongCallOptions): Promise<Map<string, Tensor>>;
}

/** A film in a triplane file. */
export interface FilmFile<Config> extends Film<Config> {
  /** The version of the file: 1 holds one window; those of older writers have no checksums. */
  readonly version: 1 | 2;
  /** How the planes are stored. */
  readonly dtype: string;
}

/**
 * Opens a film: a triplane file of version 2, or one of version 1 as a film of one window. The header alone is read, and checked.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes.
 * @throws CoordTokError `file-format` for a broken file, `checkpoint` for a file of another kind, or one whose parts disagree.
 */
export async function openFilm<Config>(
  source: RangeSource | Uint8Array | Blob,
  form: FilmForm<Config>,
): Promise<FilmFile<Config>> {
  const { parseConfig } = form;
  const opened = await openCheckpoint(source, { kind: triplaneKind, version: filmVersion, parseConfig });
  return opened.version === 1 ? filmOfTriplane(source, form) : filmOfCheckpoint(opened, form);
}

async function filmOfTriplane<Config>(
  source: RangeSource | Uint8Array | Blob,
  form: FilmForm<Config>,
): Promise<FilmFile<Config>> {
  const file = await readTriplaneFile(source, form.parseConfig);
  const { config, shape, validFrames, checkpoint, creator, precision } = file;
  const size = form.frameSize(config);
  const frames = validFrames[0]!;
  const expected = { ...form.shapeOf(config, { ...size, frames }), batch: 1 };
  if (text(shape) !== text(expected))
    throw new CoordTokError(
      "file-format",
      `Expected ${text(expected)}, as the configuration of the file says, got ${text(shape)}; the file is damaged.`,
    );
  const whole = { top: 0, left: 0, ...size };
  const windows = [{ first: 0, frames, overlap: 0 }];
  return {
    version: 1,
    config,
    source: { ...file.source, frames },
    ...size,
    picture: whole,
    tiles: [whole],
    windows,
    ...(checkpoint && { checkpoint }),
    ...(creator !== undefined && { creator }),
    ...(precision !== undefined && { precision }),
    dtype: file.dtype,
    hasDecoder: file.hasDecoder,
    readWindow: async (window, options = {}) => {
      checkOptions(options, readWindowOptionNames, "readWindow");
      checkPlace({ windows, tiles: [whole] }, window, options.tile ?? 0);
      return file.readTriplane({ signal: options.signal });
    },
    readDecoder: (expected, options) => file.readDecoder(expected, options),
  };
}

function text({ batch, time, rows, columns, channels }: TriplaneShape & { readonly batch: number }): string {
  return `${batch} clip of ${time} x ${rows} x ${columns} cells (time, rows, columns) with ${channels} channels`;
}

function filmOfCheckpoint<Config>(opened: CheckpointFile<Config>, form: FilmForm<Config>): FilmFile<Config> {
  const { config, metadata, file } = opened;
  const { facts, checksums } = storedFacts(metadata, file.name);
  const { windows, tiles, budget } = facts;
  const shapeAt = ({ frames }: FilmWindow, tile: number): TriplaneShape =>
    form.shapeOf(config, { frames, height: tiles[tile]!.height, width: tiles[tile]!.width });
  const dtype = checkEntries(opened, facts, shapeAt);
  const hasDecoder = [...file.entries.keys()].some((name) => name.startsWith(decoderPrefix));
  const readPlane = async (window: number, tile: number, plane: PlaneName): Promise<Tensor4D> => {
    const name = planeKey(window, tile, plane);
    const bytes = await file.readBytes(name);
    const expected = checksums[(window * tiles.length + tile) * planeNames.length + planeNames.indexOf(plane)];
    if (crc32c(bytes) !== expected)
      throw new CoordTokError(
        "file-format",
        `Plane ${plane} of window ${window} in ${file.name} is damaged: its checksum differs; take another copy of the file, or encode the film again.`,
      );
    if (!areFinite(bytes, dtype))
      throw new CoordTokError(
        "checkpoint",
        `Tensor "${name}" in ${file.name} holds numbers that are not finite; encode the film again.`,
      );
    const shape = planeShape(shapeAt(windows[window]!, tile), plane, 1);
    const kept = channelsOf(plane, budget, shape[3]);
    const values = floatsOf(name, file.entries.get(name)!, bytes);
    return tidy(() => {
      const stored = tensor4d(values, [shape[0], shape[1], shape[2], kept]);
      return kept === shape[3]
        ? stored
        : pad(stored, [
            [0, 0],
            [0, 0],
            [0, 0],
            [0, shape[3] - kept],
          ]);
    });
  };
  return {
    version: 2,
    config,
    ...facts,
    dtype,
    hasDecoder,
    readWindow: async (window, options = {}) => {
      checkOptions(options, readWindowOptionNames, "readWindow");
      const { tile = 0, signal } = options;
      checkPlace(facts, window, tile);
      const read: Partial<Record<PlaneName, Tensor4D>> = {};
      try {
        for (const plane of planeNames) {
          throwIfAborted(signal);
          read[plane] = await readPlane(window, tile, plane);
        }
        return read as Triplane;
      } catch (thrown) {
        disposeTriplane(read as Triplane);
        throw thrown;
      }
    },
    readDecoder: async (expected, options = {}) => {
      checkOptions(options, longCallOptionNames, "readDecoder");
      if (!hasDecoder) throw new CoordTokError("checkpoint", `There is no decoder in ${file.name}.`);
      return assignStrict(expected, file, { ...options, prefix: decoderPrefix });
    },
  };
}

function checkPlace({ windows, tiles }: Pick<FilmFacts, "windows" | "tiles">, window: number, tile: number): void {
  for (const [what, number, all] of [
    ["windows", window, windows],
    ["tiles", tile, tiles],
  ] as const)
    if (!(Number.isInteger(number) && number >= 0 && number < all.length))
      throw new CoordTokError("input", `Expected ${what} from 0 to ${all.length - 1}, got ${number}.`);
}

/** The facts of a film, its table of windows unfolded, and the checksums of all planes in the order of the file. */
function storedFacts(
  metadata: ReadonlyMap<string, string>,
  name: string,
): { readonly facts: FilmFacts; readonly checksums: readonly number[] } {
  try {
    const stored = parseStoredJson(metadata.get("film") ?? "null") as { readonly windows?: unknown } | null;
    const rows: unknown = stored?.windows;
    if (!Array.isArray(rows) || !rows.every(isRow))
      throw new CoordTokError("config", "Expected a table of windows, each a row of whole numbers.");
    let end = 0;
    const windows = rows.map(([frames, overlap]) => {
      const window = { first: end - overlap!, frames: frames!, overlap: overlap! };
      end = window.first + window.frames;
      return window;
    });
    const facts = parseFilmFacts({ ...stored, windows });
    const perWindow = facts.tiles.length * planeNames.length;
    if (rows.some(({ length }) => length !== 2 + perWindow))
      throw new CoordTokError("config", `Expected ${perWindow} checksums for each window.`);
    return { facts, checksums: rows.flatMap((row) => row.slice(2)) };
  } catch (thrown) {
    throw new CoordTokError("checkpoint", `The facts about the film in ${name} are not valid: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function isRow(row: unknown): row is readonly number[] {
  return Array.isArray(row) && row.length >= 2 && row.every((value) => Number.isSafeInteger(value) && value >= 0);
}

/** Checks that the file holds exactly the planes of its table, each of its size, all of one type. @returns that type. */
function checkEntries<Config>(
  { file }: CheckpointFile<Config>,
  { windows, tiles, budget }: FilmFacts,
  shapeAt: (window: FilmWindow, tile: number) => TriplaneShape,
): FilmStorage {
  const fail = (problem: string): never => {
    throw new CoordTokError("checkpoint", `Expected a film in ${file.name}, but the file ${problem}.`);
  };
  let dtype: FilmStorage | undefined;
  let found = 0;
  windows.forEach((window, i) => {
    for (let tile = 0; tile < tiles.length; tile++) {
      const shape = shapeAt(window, tile);
      for (const plane of planeNames) {
        const name = planeKey(i, tile, plane);
        const entry = file.entries.get(name) ?? fail(`has no tensor "${name}"`);
        if (entry.dtype !== "F32" && entry.dtype !== "F16") return fail(`stores "${name}" as ${entry.dtype}`);
        dtype ??= entry.dtype;
        const expected = planeShape(shape, plane, 1);
        expected[3] = channelsOf(plane, budget, expected[3]);
        if (entry.dtype !== dtype || entry.shape.join() !== expected.join())
          fail(`has a tensor "${name}" that does not fit the table of windows`);
        found++;
      }
    }
  });
  const decoder = [...file.entries.keys()].filter((name) => name.startsWith(decoderPrefix)).length;
  if (found + decoder !== file.entries.size) fail("has tensors that belong to nothing");
  return dtype!;
}
