import type { RgbPicture } from "@coordtok/video";
import { encodePng } from "@coordtok/video/node";
import { jsonText, parseJson } from "@coordtok/core/text";
import { appendFile, mkdir, open, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, isCoordTokError } from "@coordtok/core";
import { acquireLock, fileReadError, fileWriteError, writeAtomically } from "@coordtok/core/node";

/** The names of the files in the folder of an evaluation. */
export const fileNames = {
  settings: "settings.json",
  report: "report.json",
  page: "report.html",
  clips: "clips",
  strips: "strips",
} as const;

/** The lock file; it exists while a process writes into the folder. */
const lockName = "evaluation.lock";
/** A process that decodes or measures without a pause cannot refresh its lock for that long. */
const silentSeconds = 24 * 3600;

/** The feature vectors of one clip by the file that they are appended to. */
export type FeatureRows = Readonly<Record<string, readonly Float32Array[]>>;

/**
 * The folder of an evaluation: its settings, one line for each finished clip, strips of pictures. An evaluation can be resumed at
 * any time, by one process at a time, which must dispose of the folder at the end.
 */
export class EvaluationFolder implements AsyncDisposable {
  readonly path: string;
  /** Releases the lock; absent when the folder was opened for reading. */
  readonly #unlock: (() => Promise<void>) | undefined;

  private constructor(path: string, unlock?: () => Promise<void>) {
    this.path = path;
    this.#unlock = unlock;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unlock?.();
  }

  /**
   * Creates the folder of an evaluation, or opens an unfinished one with the same settings to resume it. The folder is locked until
   * it is disposed of.
   * @param settings plain data; only its `environment` may differ from the stored settings.
   * @throws CoordTokError `file-exists` when the folder holds another evaluation, naming what differs, or another process writes
   *   into it; `file-write`.
   */
  static async open(
    path: string,
    settings: object,
    options: { readonly overwrite?: boolean | undefined },
  ): Promise<EvaluationFolder> {
    await mkdir(path, { recursive: true }).catch((thrown: unknown) => {
      throw fileWriteError(thrown, path);
    });
    const folder = new EvaluationFolder(path, await lock(path));
    try {
      if (options.overwrite === true) await folder.#clear();
      await folder.#begin(settings);
      return folder;
    } catch (thrown) {
      await folder[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #begin(settings: object): Promise<void> {
    const { path } = this;
    const before = await this.settings();
    const names = (await readdir(path)).filter((name) => !name.startsWith(lockName));
    if (before !== undefined) {
      const differing = differences(before, settings);
      if (differing.length === 0) return;
      if (names.some((name) => name !== fileNames.settings))
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
    if ((await folder.settings()) === undefined)
      throw new CoordTokError(
        "input",
        `"${path}" is not the folder of an evaluation: it has no ${fileNames.settings}.`,
      );
    return folder;
  }

  /** The path of a file in the folder. */
  at(name: string): string {
    return join(this.path, name);
  }

  /** Reads `settings.json`; `undefined` when it does not exist. @throws CoordTokError `file-format` when it is damaged. */
  async settings(): Promise<Readonly<Record<string, unknown>> | undefined> {
    const path = this.at(fileNames.settings);
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    try {
      return parseJson(text) as Readonly<Record<string, unknown>>;
    } catch (thrown) {
      throw new CoordTokError("file-format", `"${path}" is damaged; start over and allow overwriting.`, {
        cause: thrown,
        options: { overwrite: true },
      });
    }
  }

  /** Opens the journal of one series of clips. */
  async journal<R extends { readonly index: number }>(name: string): Promise<Journal<R>> {
    return Journal.open<R>(this, name, this.#unlock !== undefined);
  }

  /** Writes a file atomically. */
  async write(name: string, content: Uint8Array | string): Promise<string> {
    const path = this.at(name);
    await writeAtomically(path, content, { overwrite: true });
    return path;
  }

  /** Writes the strip of a clip. */
  async writeStrip(key: string, picture: RgbPicture): Promise<void> {
    await mkdir(this.at(fileNames.strips), { recursive: true });
    await this.write(join(fileNames.strips, `${key}.png`), encodePng(picture));
  }

  /** Removes the strip of a clip. */
  async removeStrip(key: string): Promise<void> {
    await rm(this.at(join(fileNames.strips, `${key}.png`)), { force: true });
  }

  /** The PNG of a strip, if it exists. */
  async readStrip(key: string): Promise<Uint8Array | undefined> {
    return readFile(this.at(join(fileNames.strips, `${key}.png`))).catch(() => undefined);
  }

  /** The paths of the files of statistics in the folder. */
  async statisticsFiles(): Promise<string[]> {
    const names = await readdir(this.path);
    return names.filter((name) => name.endsWith(".statistics.safetensors")).map((name) => this.at(name));
  }

  async #clear(): Promise<void> {
    const own = /^(?:settings\.json|report\.(?:json|html)|strips|[a-z]+\.(?:jsonl|features|statistics\.safetensors))$/;
    for (const name of await readdir(this.path))
      if (own.test(name)) await rm(this.at(name), { recursive: true, force: true });
  }
}

async function lock(path: string): Promise<() => Promise<void>> {
  const onWait = (pid: number): never => {
    throw new CoordTokError(
      "file-exists",
      `Another process (number ${pid}) is writing into "${path}"; wait until it ends, or choose another folder.`,
      {
        details: [`If no such process is running any more, remove "${join(path, lockName)}".`],
        options: { out: undefined },
      },
    );
  };
  return acquireLock(join(path, lockName), { onWait, silentSeconds }).catch((thrown: unknown) => {
    throw isCoordTokError(thrown) ? thrown : fileWriteError(thrown, path);
  });
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
    name: string,
    mayRepair: boolean,
  ): Promise<Journal<R>> {
    const path = folder.at(`${name}.jsonl`);
    const text = await readFile(path, "utf8").catch(() => "");
    // A crash may have left an incomplete line at the end.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (mayRepair && whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
    const lines = whole.split("\n").filter((line) => line !== "");
    return new Journal<R>(
      folder,
      name,
      lines.map((line) => parseJson(line) as R),
    );
  }

  /** Appends the features and then the line. A crash between the two leaves only features, which the next run cuts off. */
  async add(record: R, features: FeatureRows = {}): Promise<void> {
    for (const [name, rows] of Object.entries(features)) {
      if (rows.length === 0) continue;
      await append(this.#featurePath(name), Buffer.concat(rows.map(bytesOf)));
    }
    await append(this.#folder.at(`${this.#name}.jsonl`), `${jsonText(record)}\n`);
    this.records.push(record);
  }

  /** Cuts a file of features to the vectors that the records count. @param vectors their number. */
  async trimFeatures(name: string, vectors: number, dimension: number): Promise<void> {
    const bytes = vectors * dimension * Float32Array.BYTES_PER_ELEMENT;
    const size = await stat(this.#featurePath(name)).then(
      (facts) => facts.size,
      () => 0,
    );
    if (size < bytes)
      throw new CoordTokError(
        "file-format",
        `"${this.#featurePath(name)}" is shorter than its evaluation says; start over and allow overwriting.`,
        { options: { overwrite: true } },
      );
    if (size > bytes) await truncate(this.#featurePath(name), bytes);
  }

  /** Yields the feature vectors of a file. */
  async *features(name: string, dimension: number): AsyncGenerator<Float32Array, void> {
    const handle = await open(this.#featurePath(name), "r").catch(() => undefined);
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
    await rm(this.#featurePath(name), { force: true });
  }

  #featurePath(name: string): string {
    return this.#folder.at(`${name}.features`);
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
