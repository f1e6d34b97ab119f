import { open, rm, type FileHandle } from "node:fs/promises";
import { disposeTree, throwIfAborted, type Json, type TensorTree } from "@coordtok/core";
import { fileReadError, fileWriteError, temporaryPathFor, writeAtomically } from "@coordtok/core/node";
import {
  encodeFilm,
  packTriplane,
  tokenCount,
  triplaneShape,
  type FilmBudget,
  type FilmFacts,
  type FilmPicture,
  type FilmRefinement,
  type FilmStorage,
  type FilmWindow,
  type StoredPlane,
} from "@coordtok/triplane";
import type { TriplaneWindow } from "../film/index.js";
import { RefinementSum } from "../film/refinement.js";

/** How a film is written. */
export interface WriteFilmOptions {
  /** The facts that are known when all windows have been written. */
  readonly describe: (
    written: Pick<WrittenFilm, "timestampsSeconds">,
  ) => Omit<FilmFacts, keyof FilmPicture | "windows" | "budget"> & { readonly config: Json };
  /** How numbers are stored. */
  readonly dtype: FilmStorage;
  /** The channels that are kept (default: all). */
  readonly budget?: FilmBudget | undefined;
  /** A decoder to carry along. */
  readonly decoder?: TensorTree | undefined;
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was written. */
export interface WrittenFilm {
  readonly windows: readonly FilmWindow[];
  /** When each frame is shown, in seconds. */
  readonly timestampsSeconds: readonly number[];
  /** Cells of all planes. */
  readonly tokens: number;
  /** Numbers that are stored. */
  readonly floats: number;
  /** What refinement made of the planes; absent where none were refined. */
  readonly refinement: FilmRefinement | undefined;
}

/**
 * Writes windows as a film as they come. Their planes go to a temporary file beside the target; the film, whose header comes first, is put
 * together from it at the end. Memory does not grow with the planes.
 * @param windows are freed.
 * @throws CoordTokError `file-exists`, `file-write`, `aborted`, and what the windows themselves throw. Nothing is left behind then.
 */
export async function writeFilm(
  path: string,
  windows: AsyncIterable<TriplaneWindow>,
  options: WriteFilmOptions,
): Promise<WrittenFilm> {
  const { describe, dtype, budget, decoder, overwrite, signal } = options;
  const scratch = temporaryPathFor(path);
  const handle = await open(scratch, "wx+").catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
  try {
    const planes = new PlaneLog(handle, path);
    const written: FilmWindow[] = [];
    const timestampsSeconds: number[] = [];
    const refined = new RefinementSum();
    let picture: FilmPicture | undefined;
    let [tokens, floats] = [0, 0];
    for await (const window of windows) {
      const { first, frames, overlap, triplanes } = window;
      try {
        throwIfAborted(signal);
        for (const triplane of triplanes) {
          tokens += tokenCount(triplaneShape(triplane));
          for (const packed of await packTriplane(triplane, { dtype, budget })) floats += await planes.append(packed);
        }
      } finally {
        disposeTree([...triplanes]);
      }
      picture ??= window.picture;
      if (window.refinement) refined.join(window.refinement);
      written.push({ first, frames, overlap });
      timestampsSeconds.push(...window.timestampsSeconds.slice(overlap));
    }
    const refinement = refined.facts();
    const facts = {
      ...describe({ timestampsSeconds }),
      ...picture!,
      windows: written,
      ...(budget && { budget }),
      ...(refinement && { refinement }),
    };
    await writeAtomically(path, encodeFilm(facts, planes.stored, { decoder }), { overwrite, signal });
    return { windows: written, timestampsSeconds, tokens, floats, refinement };
  } finally {
    await handle.close();
    await rm(scratch, { force: true });
  }
}

/** Planes in a temporary file, one behind the other. */
class PlaneLog {
  /** The planes so far, whose bytes are read back when their turn comes. */
  readonly stored: StoredPlane[] = [];
  readonly #handle: FileHandle;
  readonly #path: string;
  #end = 0;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** @returns how many numbers the plane has. */
  async append({ bytes, ...plane }: Awaited<ReturnType<typeof packTriplane>>[number]): Promise<number> {
    const begin = this.#end;
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle
        .write(bytes, done, bytes.length - done, begin + done)
        .catch((thrown: unknown) => {
          throw fileWriteError(thrown, this.#path);
        });
      done += bytesWritten;
    }
    this.#end += bytes.length;
    this.stored.push({ ...plane, bytes: () => this.#read(begin, bytes.length) });
    return plane.shape.reduce((product, size) => product * size, 1);
  }

  async #read(begin: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#handle
        .read(bytes, done, length - done, begin + done)
        .catch((thrown: unknown) => {
          throw fileReadError(thrown, this.#path);
        });
      if (bytesRead === 0) throw fileWriteError(new Error("its temporary file became shorter"), this.#path);
      done += bytesRead;
    }
    return bytes;
  }
}
