import { encodeBitstream, type ChannelBudget } from "@coordtok/bitstream";
import { CoordTokError } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import { codingPriors, codingStep, CodedWindows, type StepOptions } from "../film/code-stream.js";
import type { TriplaneWindow } from "../film/index.js";
import type { WriteFilmOptions, WrittenFilm } from "./film-file.js";

/** The model whose planes take few bytes, the default for `.coordtok` files. */
export const defaultBytesModel = "starter-bytes";

/** Whether a file is to be one of coded planes: by its ending. */
export function isCodedName(path: string): boolean {
  return /\.coordtok$/i.test(path);
}

/** How the planes of a film are stored. */
export interface StorageOptions extends StepOptions {
  /** The number format of a triplane file (default `F32`). */
  readonly dtype?: "F32" | "F16" | undefined;
  /** Whether to store the decoder's weights in a triplane file, so that it can be decoded alone (default false). */
  readonly embedDecoder?: boolean | undefined;
}

/** Throws for options that belong to the other format. @throws CoordTokError `config` naming the option. */
export function checkStorage(out: string, options: StorageOptions): void {
  const refuse = (name: keyof StorageOptions, format: string): never => {
    throw new CoordTokError("config", `${name} applies to ${format}; leave it out, or write such a file.`, {
      options: { [name]: undefined },
    });
  };
  if (isCodedName(out)) {
    if (options.dtype !== undefined) refuse("dtype", "triplane files, whose planes are numbers");
    if (options.embedDecoder === true) refuse("embedDecoder", "triplane files, which may carry a decoder");
  } else
    for (const name of ["step", "quality"] as const)
      if (options[name] !== undefined) refuse(name, ".coordtok files, whose planes are rounded");
}

/** How a film is coded. */
export interface WriteCodedOptions extends Omit<WriteFilmOptions, "dtype" | "decoder" | "budget">, StepOptions {
  readonly config: AnyTokenizerConfig;
  readonly budget?: ChannelBudget | undefined;
}

/**
 * Writes windows as a `.coordtok` file as they come, each coded and written at once. Memory holds a window and a few bytes of each.
 * @param windows are freed.
 * @throws CoordTokError `file-exists`, `file-write`, `aborted`, as `quantize`, and what the windows themselves throw. Nothing is left behind then.
 */
export async function writeCodedFilm(
  path: string,
  windows: AsyncIterable<TriplaneWindow>,
  { describe, config, budget, overwrite, signal, ...stepOptions }: WriteCodedOptions,
): Promise<WrittenFilm> {
  const { step, quality } = stepOptions;
  const coded = new CodedWindows();
  const stored = coded.code(windows, { step: codingStep(config, { step, quality }), budget, signal });
  const facts = (): ReturnType<CodedWindows["facts"]> =>
    coded.facts(describe({ timestampsSeconds: coded.timestampsSeconds }));
  const bytes = encodeBitstream(stored, facts, { priors: codingPriors(config), signal });
  await writeAtomically(path, bytes, { overwrite, signal });
  return {
    windows: coded.windows,
    timestampsSeconds: coded.timestampsSeconds,
    tokens: coded.cells,
    floats: coded.numbers,
    refinement: coded.refinement.facts(),
  };
}
