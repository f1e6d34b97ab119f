import type { RgbPicture } from "@coordtok/video";
import { encodePng } from "@coordtok/video/node";
import { jsonText, parseJson } from "@coordtok/core/text";
import { appendFile, mkdir, open, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, isCoordTokError } from "@coordtok/core";
import {
  acquireLock,
  claimFolder,
  clearFolder,
  fileReadError,
  fileWriteError,
  writeAtomically,
  type FolderOwner,
} from "@coordtok/core/node";

/** Names inside the folder of an evaluation. */
export const fileNames = {
  settings: "settings.json",
  report: "report.json",
  page: "report.html",
  clips: "clips",
  strips: "strips",
} as const;

/** Is there while a process writes into the folder. */
const lockName = "evaluation.lock";
/** What lies in the folder of an evaluation; a folder older than marks is known by its settings. */
const owner: FolderOwner = {
  command: "evaluate",
  entries: [
    { name: /settings\.json|report\.(?:json|html)/ },
    { name: /[a-z]+\.(?:jsonl|features|statistics\.safetensors)/ },
    { name: fileNames.strips, entries: [{ name: /(?:reference-|other-)?\d+\.png/ }] },
    { name: /evaluation\.lock.*/, stays: true },
  ],
  made: async (path) => {
    const settings = await new EvaluationFolder(path).settings().catch(() => undefined);
    return settings !== undefined && "task" in settings && "protocol" in settings;
  },
};
/** A process that decodes or measures without a pause gives no sign of life meanwhile. */
const silentSeconds = 24 * 3600;

/** One feature vector after the other, as they are appended. */
export type FeatureRows = Readonly<Record<string, readonly Float32Array[]>>;

/**
 * The folder of an evaluation: its settings, a line for each clip that is done, strips of pictures. It can be resumed at any time, by
 * one process at a time, which disposes of it at its end.
 */
export class EvaluationFolder implements AsyncDisposable {
  readonly path: string;
  /** Lets others write into it; absent where it was opened to be read from. */
  readonly #unlock: (() => Promise<void>) | undefined;

  constructor(path: string, unlock?: () => Promise<void>) {
    this.path = path;
    this.#unlock = unlock;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unlock?.();
  }

  /**
   * Creates the folder of an evaluation, or opens an unfinished one with the same settings to resume it. No other process can open it before it is disposed of.
   * @param settings plain data; `environment` below it may differ.
   * @param options.inputs what is read for it, none of which may lie among its files.
   * @throws CoordTokError `file-exists` when it holds other things, or another evaluation, naming what differs, or another process writes into it; `file-write`.
   */
  static async open(
    path: string,
    settings: object,
    options: { readonly overwrite?: boolean | undefined; readonly inputs?: readonly (string | undefined)[] },
  ): Promise<EvaluationFolder> {
    await claimFolder(path, owner, { inputs: options.inputs, resumes: true });
    const folder = new EvaluationFolder(path, await lock(path));
    try {
      if (options.overwrite === true) await clearFolder(path, owner);
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

  /** Opens a folder to read from. @throws CoordTokError `input` when it is not the folder of an evaluation. */
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

  /** The path of a name in the folder. */
  at(name: string): string {
    return join(this.path, name);
  }

  /** What `settings.json` says; `undefined` when it is not there. @throws CoordTokError `file-format` when it is damaged. */
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

  /** Opens the lines of one series of clips. */
  async journal<R extends { readonly index: number }>(name: string): Promise<Journal<R>> {
    return Journal.open<R>(this, name, this.#unlock !== undefined);
  }

  /** Writes a file, whole or not at all. */
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

  /** The PNG of a strip, where there is one. */
  async readStrip(key: string): Promise<Uint8Array | undefined> {
    return readFile(this.at(join(fileNames.strips, `${key}.png`))).catch(() => undefined);
  }

  /** The files of statistics in the folder. */
  async statisticsFiles(): Promise<string[]> {
    const names = await readdir(this.path);
    return names.filter((name) => name.endsWith(".statistics.safetensors")).map((name) => this.at(name));
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

/** The first keys under which two settings differ, apart from the environment. */
export function differences(a: object, b: object, ignored: readonly string[] = []): string[] {
  const valuesOf = (settings: object): ReadonlyMap<string, unknown> => new Map(Object.entries(settings));
  const [first, second] = [valuesOf(a), valuesOf(b)];
  return [...new Set([...first.keys(), ...second.keys()])].filter(
    (key) => key !== "environment" && !ignored.includes(key) && jsonText(first.get(key)) !== jsonText(second.get(key)),
  );
}

/** Lines of measured clips and the feature vectors that belong to them, appended as they come. */
export class Journal<R extends { readonly index: number }> {
  /** The lines so far, in the order in which they were measured. */
  readonly records: R[];
  readonly #folder: EvaluationFolder;
  readonly #name: string;

  private constructor(folder: EvaluationFolder, name: string, records: R[]) {
    this.#folder = folder;
    this.#name = name;
    this.records = records;
  }

  /** @param mayRepair whether the file may be changed; another process may be writing otherwise. */
  static async open<R extends { readonly index: number }>(
    folder: EvaluationFolder,
    name: string,
    mayRepair: boolean,
  ): Promise<Journal<R>> {
    const path = folder.at(`${name}.jsonl`);
    const text = await readFile(path, "utf8").catch(() => "");
    // What follows the last line break was cut off by a crash.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (mayRepair && whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
    const lines = whole.split("\n").filter((line) => line !== "");
    return new Journal<R>(
      folder,
      name,
      lines.map((line) => parseJson(line) as R),
    );
  }

  /** Appends the features and then the line, so that a crash between them leaves features that the next run cuts off. */
  async add(record: R, features: FeatureRows = {}): Promise<void> {
    for (const [name, rows] of Object.entries(features)) {
      if (rows.length === 0) continue;
      await append(this.#featurePath(name), Buffer.concat(rows.map(bytesOf)));
    }
    await append(this.#folder.at(`${this.#name}.jsonl`), `${jsonText(record)}\n`);
    this.records.push(record);
  }

  /** Cuts a file of features to the vectors that the lines count. @param vectors how many that is. */
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

  /** The feature vectors of a file one by one. */
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
