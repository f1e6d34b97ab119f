import { CoordTokError } from "../errors.js";
import { bytesText } from "../text/text.js";
import { fileReadError } from "./file-error.js";
import { openOrdinaryFile } from "./ordinary-file.js";
import { checkOptions, type OptionNames } from "../options.js";

/** Options of {@link readText}. */
export interface ReadTextOptions {
  /** The largest accepted size in bytes (default 256 MiB, half of what a string can hold). */
  readonly mostBytes?: number | undefined;
}

const readTextOptionNames: OptionNames<ReadTextOptions> = { mostBytes: true };

/**
 * Reads a text file as UTF-8.
 * @throws CoordTokError `file-not-found`, `file-read` for anything but a readable ordinary file, `file-format` for one that is too large.
 */
export async function readText(path: string, options: ReadTextOptions = {}): Promise<string> {
  checkOptions(options, readTextOptionNames, "readText");
  const { mostBytes = 2 ** 28 } = options;
  const { handle, size } = await openOrdinaryFile(path);
  try {
    if (size > mostBytes)
      throw new CoordTokError(
        "file-format",
        `Expected a text file of at most ${bytesText(mostBytes)}, but "${path}" has ${bytesText(size)}.`,
      );
    return await handle.readFile("utf8");
  } catch (thrown) {
    throw fileReadError(thrown, path);
  } finally {
    await handle.close();
  }
}

/** As {@link readText}, but returns `undefined` if there is no such file. */
export async function readTextIfThere(path: string, options: ReadTextOptions = {}): Promise<string | undefined> {
  return readText(path, options).catch((thrown: unknown) => {
    if (thrown instanceof CoordTokError && thrown.code === "file-not-found") return undefined;
    throw thrown;
  });
}
