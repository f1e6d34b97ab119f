import type { RgbPicture } from "@coordtok/video";
import { encodePng } from "@coordtok/video/node";
import { bytesText, jsonText, parseJson } from "@coordtok/core/text";
import { appendFile, mkdir, readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, isCoordTokError, messageOf } from "@coordtok/core";
import {
  fileReadError,
  fileWriteError,
  openFileSource,
  openFolder,
  openOrdinaryFile,
  pathWithin,
  readTextIfThere,
  settleFolder,
  writeAtomically,
  type FolderOwner,
  type OpenFolder,
} from "@coordtok/core/node";
import type { FailedRecord } from "./record.js";
import { contentDifference, withoutContents } from "./content-difference.js";
import type { EvaluationSettings } from "./settings.js";
import { parseRecord, parseSettings, type Series } from "./stored.js";

/** The names of the files in the folder of an evaluation. */
export const fileNames = {
  settings: "settings.json",
  report: "report.json",
  page: "report.html",
  table: "rate-distortion.csv",
  picture: "rate-distortion.svg",
  clips: "clips",
  strips: "strips",
} as const;

/** Larger files are none of an evaluation; settings list the videos that were left out. */
const mostSettings = 2 ** 26;
const mostStrip = 2 ** 24;
/** What lies in the folder of an evaluation; a folder older than marks is known by its settings. */
export const evaluationOwner: FolderOwner = {
  command: "evaluate",
  entries: [
    { name: fileNames.settings },
    { name: /report\.(?:json|html)/ },
    { name: /rate-distortion\.(?:csv|svg)/ },
    { name: /[a-z]+\.(?:jsonl|features|statistics\.safetensors)/ },
    { name: fileNames.strips, entries: [{ name: /(?:reference-|other-)?\d+\.png/ }] },
    // The lock of older versions.
    { name: /evaluation\.lock.*/ },
  ],
  made: async (path) => {
    const settings = await new EvaluationFolder(path).settings().catch(() => undefined);
    return settings !== undefined && "task" in settings && "protocol" in settings;
  },
};
/** The feature vectors of one clip by the file that they are appended to. */
export type FeatureRows = Readonly<Record<string, readonly Float32Array[]>>;

/**
 * The folder of an evaluation: its settings, one line for each finished clip, strips of pictures. An evaluation can be resumed at
 * any time, by one process at a time, which must dispose of the folder at the end.
 */
export class EvaluationFolder implements AsyncDisposable {
  /** The folder, as results name it. */
  readonly path: string;
  /** The locked folder; absent when it was opened for reading. */
  readonly #opened: OpenFolder | undefined;
  /** Where its files are until they replace those of another evaluation. */
  readonly #place: string;

  constructor(path: string, opened?: OpenFolder) {
    this.path = path;
    this.#opened = opened;
    this.#place = opened?.place ?? path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened?.[Symbol.asyncDispose]();
  }

  /** Checks that no other process has taken the folder over. @throws CoordTokError `file-exists`. */
  async check(): Promise<void> {
    await this.#opened?.check();
  }

  /** Puts an evaluation that replaces another one in its place. @throws CoordTokError `file-write`. */
  async finish(): Promise<void> {
    await this.#opened?.finish();
  }

  /**
   * Creates the folder of an evaluation, or opens an unfinished one with the same settings to resume it. The folder is locked until
   * it is disposed of. With `overwrite`, the evaluation that is there stays until {@link finish}; if that is never called, the next one
   * with the same settings goes on.
   * @param settings plain data; only its `environment` may differ from the stored settings.
   * @param options.inputs what is read for it, none of which may lie among its files.
   * @throws CoordTokError `file-exists` when the folder holds other things, or another evaluation, naming what differs, or another process writes
   *   into it; `file-write`.
   */
  static async open(
    path: string,
    settings: EvaluationSettings,
    options: {
      readonly overwrite?: boolean | undefined;
      readonly inputs?: readonly (string | undefined)[] | undefined;
      readonly onNote?: ((line: string) => void) | undefined;
    },
  ): Promise<EvaluationFolder> {
    const { inputs, overwrite: replaces } = options;
    const goesOn = async (unfinished: string): Promise<boolean> => {
      const before = await new EvaluationFolder(unfinished).settings().catch(() => undefined);
      if (before === undefined || contentDifference(before, settings) !== undefined) return false;
      return differences(withoutContents(before), withoutContents(settings)).length === 0;
    };
    const folder = new EvaluationFolder(
      path,
      await openFolder(path, evaluationOwner, { inputs, resumes: true, replaces, goesOn }),
    );
    try {
      await folder.#begin(settings, options.onNote);
      return folder;
    } catch (thrown) {
      await folder[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #begin(settings: EvaluationSettings, onNote: ((line: string) => void) | undefined): Promise<void> {
    const { path } = this;
    const before = await this.settings();
    const names = (await readdir(this.#place)).filter((name) => !name.startsWith("."));
    if (before !== undefined) {
      const differing = differences(withoutContents(before), withoutContents(settings));
      const content = contentDifference(before, settings);
      if (differing.length === 0 && content === undefined) {
        if (before.reference.contents === undefined)
          onNote?.(
            `"${path}" was begun by a version that did not record the content of videos; what it measured counts as measured`,
          );
        return;
      }
      if (differing.length === 0 && names.some((name) => name !== fileNames.settings))
        throw new CoordTokError(
          "file-exists",
          `"${path}" holds scores of other videos than there are now: ${content!}; choose another folder or allow overwriting.`,
          { options: { out: undefined, overwrite: true } },
        );
      if (differing.length > 0 && names.some((name) => name !== fileNames.settings))
        throw new CoordTokError(
          "file-exists",
          `"${path}" holds another evaluation, with another ${differing.join(", ")}; choose another folder or allow overwriting.`,
          { options: { overwrite: true } },
        );
    }
    if (before === undefined && names.some((name) => (Object.values(fileNames) as string[]).includes(name)))
      throw new CoordTokError(
        "file-exists",
        `"${path}" already holds a report; choose another folder or allow overwriting.`,
        { options: { overwrite: true } },
      );
    await this.write(fileNames.settings, `${jsonText(settings, 2)}\n`);
  }

  /** Opens a folder for reading. @throws CoordTokError `input` when it is not the folder of an evaluation. */
  static async existing(path: string): Promise<EvaluationFolder> {
    const folder = new EvaluationFolder(path);
    await stat(path).catch((thrown: unknown) => {
      throw fileReadError(thrown, path);
    });
    await settleFolder(path, evaluationOwner);
    if ((await folder.settings()) === undefined)
      throw new CoordTokError(
        "input",
        `"${path}" is not the folder of an evaluation: it has no ${fileNames.settings}.`,
      );
    return folder;
  }

  /** Whether a file is there. */
  async has(name: string): Promise<boolean> {
    return stat(await this.within(name)).then(
      (facts) => facts.isFile(),
      () => false,
    );
  }

  /** The path of a file in the folder, as results name it. */
  at(name: string): string {
    return join(this.path, name);
  }

  /** The path of a name in the folder to read or write at, which no link leads out of it. @throws CoordTokError `file-format`. */
  within(name: string): Promise<string> {
    return pathWithin(this.#place, name);
  }

  /** Reads `settings.json`; `undefined` when it does not exist. @throws CoordTokError `file-format` when it is damaged, naming the field. */
  async settings(): Promise<EvaluationSettings | undefined> {
    const path = await this.within(fileNames.settings);
    const text = await readTextIfThere(path, { mostBytes: mostSettings });
    if (text === undefined) return undefined;
    return orStartOver(() => parseSettings(parsedJson(text, `"${path}"`), path));
  }

  /** Opens the journal of one series of clips. */
  async journal<R extends { readonly index: number }>(name: Series): Promise<Journal<R>> {
    return Journal.open<R>(this, name, this.#opened !== undefined);
  }

  /** Writes a file atomically. */
  async write(name: string, content: Uint8Array | string): Promise<string> {
    await writeAtomically(await this.within(name), content, { overwrite: true });
    return this.at(name);
  }

  /** Writes the strip of a clip. */
  async writeStrip(key: string, picture: RgbPicture): Promise<void> {
    await mkdir(await this.within(fileNames.strips), { recursive: true });
    await this.write(`${fileNames.strips}/${key}.png`, encodePng(picture));
  }

  /** Removes the strip of a clip. */
  async removeStrip(key: string): Promise<void> {
    await rm(await this.within(`${fileNames.strips}/${key}.png`), { force: true });
  }

  /** The PNG of a strip, if it exists. */
  async readStrip(key: string): Promise<Uint8Array | undefined> {
    const path = await this.within(`${fileNames.strips}/${key}.png`);
    const source = await openFileSource(path).catch((thrown: unknown) => {
      if (isCoordTokError(thrown) && thrown.code === "file-not-found") return undefined;
      throw thrown;
    });
    if (source === undefined) return undefined;
    await using file = source;
    if (file.size > mostStrip)
      throw new CoordTokError(
        "file-format",
        `Expected a picture of at most ${bytesText(mostStrip)}, but "${path}" has ${bytesText(file.size)}.`,
      );
    return await file.read(0, file.size);
  }

  /** The paths of the files of statistics in the folder. */
  async statisticsFiles(): Promise<string[]> {
    const names = await readdir(this.#place);
    return names.filter((name) => name.endsWith(".statistics.safetensors")).map((name) => this.at(name));
  }
}

/** The keys in which two settings differ, apart from the environment. */
export function differences(a: object, b: object, ignored: readonly string[] = []): string[] {
  const valuesOf = (settings: object): ReadonlyMap<string, unknown> => new Map(Object.entries(settings));
  const [first, second] = [valuesOf(a), valuesOf(b)];
  return [...new Set([...first.keys(), ...second.keys()])].filter(
    (key) => key !== "environment" && !ignored.includes(key) && jsonText(first.get(key)) !== jsonText(second.get(key)),
  );
}

/** Records of measured clips and their feature vectors, appended as they are measured. */
export class Journal<R extends { readonly index: number }> {
  /** The records so far, in the order in which they were measured. */
  readonly records: R[];
  readonly #folder: EvaluationFolder;
  readonly #name: string;

  private constructor(folder: EvaluationFolder, name: string, records: R[]) {
    this.#folder = folder;
    this.#name = name;
    this.records = records;
  }

  /** @param mayRepair whether the file may be changed; another process may be writing to it otherwise. */
  static async open<R extends { readonly index: number }>(
    folder: EvaluationFolder,
    name: Series,
    mayRepair: boolean,
  ): Promise<Journal<R>> {
    const path = await folder.within(`${name}.jsonl`);
    const text = (await readTextIfThere(path)) ?? "";
    // A crash may have left an incomplete line at the end.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (mayRepair && whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
    const records = new Map<number, R>();
    for (const [number, line] of whole.split("\n").entries()) {
      if (line === "") continue;
      const where = `line ${number + 1} of "${path}"`;
      const record = orStartOver(() => {
        const parsed = parseRecord(name, parsedJson(line, where), where) as FailedRecord | R;
        if (records.has(parsed.index))
          throw new CoordTokError(
            "file-format",
            `Clip ${parsed.index} stands in "${path}" twice, at last in line ${number + 1}.`,
          );
        return parsed;
      });
      records.set(record.index, record as R);
    }
    return new Journal<R>(folder, name, [...records.values()]);
  }

  /** Appends the features and then the line. A crash between the two leaves only features, which the next run cuts off. */
  async add(record: R, features: FeatureRows = {}): Promise<void> {
    await this.#folder.check();
    for (const [name, rows] of Object.entries(features)) {
      if (rows.length === 0) continue;
      await append(await this.#featurePath(name), Buffer.concat(rows.map(bytesOf)));
    }
    await append(await this.#folder.within(`${this.#name}.jsonl`), `${jsonText(record)}\n`);
    this.records.push(record);
  }

  /** Cuts a file of features to the vectors that the records count. @param vectors their number. */
  async trimFeatures(name: string, vectors: number, dimension: number): Promise<void> {
    const bytes = vectors * dimension * Float32Array.BYTES_PER_ELEMENT;
    const path = await this.#featurePath(name);
    const size = await stat(path).then(
      (facts) => facts.size,
      () => 0,
    );
    if (size < bytes)
      throw new CoordTokError(
        "file-format",
        `"${path}" is shorter than its evaluation says; start over and allow overwriting.`,
        { options: { overwrite: true } },
      );
    if (size > bytes) await truncate(path, bytes);
  }

  /** Yields the feature vectors of a file. */
  async *features(name: string, dimension: number): AsyncGenerator<Float32Array, void> {
    const handle = await openOrdinaryFile(await this.#featurePath(name)).then(
      (opened) => opened.handle,
      () => undefined,
    );
    if (!handle) return;
    try {
      for (;;) {
        const row = new Float32Array(dimension);
        const { bytesRead } = await handle.read(bytesOf(row), 0, row.byteLength);
        if (bytesRead < row.byteLength) return;
        yield row;
      }
    } finally {
      await handle.close();
    }
  }

  /** Removes a file of features, once they are pooled. */
  async removeFeatures(name: string): Promise<void> {
    await rm(await this.#featurePath(name), { force: true });
  }

  #featurePath(name: string): Promise<string> {
    return this.#folder.within(`${name}.features`);
  }
}

/** Adds to the error of a damaged file what helps. */
function orStartOver<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!isCoordTokError(thrown)) throw thrown;
    throw new CoordTokError("file-format", `${thrown.sentence} Start over and allow overwriting.`, {
      cause: thrown,
      options: { overwrite: true },
    });
  }
}

/** JSON as our files have it. @throws CoordTokError `file-format`. */
function parsedJson(text: string, where: string): unknown {
  try {
    return parseJson(text);
  } catch (thrown) {
    throw new CoordTokError("file-format", `Expected JSON in ${where}: ${messageOf(thrown)}.`, { cause: thrown });
  }
}

function bytesOf(row: Float32Array): Uint8Array {
  return new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
}

async function append(path: string, content: Uint8Array | string): Promise<void> {
  await appendFile(path, content).catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
}
