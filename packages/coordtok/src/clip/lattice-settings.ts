import { CoordTokError } from "@coordtok/core";
import type { AnyTokenizerConfig, Budget, LatticeConfig } from "@coordtok/tokenizer";
import type { FramePixels } from "../film/index.js";

/** How many frames the lattice form encodes together. */
export type WindowFrames = 8 | 16 | 32 | 64;

const windowLengths: readonly WindowFrames[] = [8, 16, 32, 64];

/** What a tokenizer of the lattice form is asked for; one of the paper's form has a size of its own and takes none of it. */
export interface LatticeOptions {
  /** The size that frames are scaled and cropped to, 8 to 4096 pixels each way (default 128 x 128). */
  readonly size?: FramePixels | undefined;
  /** Channels of the plane xy that are kept, from 0 (default: all, 32 in the starter). */
  readonly content?: number | undefined;
  /** Channels of the planes yt and xt that are kept, from 0 (default: all, 32 in the starter). */
  readonly motion?: number | undefined;
}

/** The same, complete. */
export interface LatticeSettings {
  readonly size: FramePixels;
  readonly budget: Budget;
}

const defaultSize: FramePixels = { height: 128, width: 128 };

/** Checks what a lattice tokenizer is asked for. @throws CoordTokError `config` for a size or a budget that it does not take. */
export function latticeSettings({ channels }: LatticeConfig, options: LatticeOptions): LatticeSettings {
  const { size = defaultSize } = options;
  for (const name of ["height", "width"] as const)
    if (!(Number.isInteger(size[name]) && size[name] >= 8 && size[name] <= 4096))
      throw new CoordTokError("config", `Expected a ${name} of frames from 8 to 4096 pixels, got ${size[name]}.`, {
        options: { size: undefined },
      });
  return { size, budget: latticeBudget({ channels }, options) };
}

/** Checks the channels that are to be kept. @throws CoordTokError `config`. */
export function latticeBudget(
  { channels }: Pick<LatticeConfig, "channels">,
  { content = channels, motion = channels }: Pick<LatticeOptions, "content" | "motion">,
): Budget {
  for (const [name, kept] of Object.entries({ content, motion }))
    if (!(Number.isInteger(kept) && kept >= 0 && kept <= channels))
      throw new CoordTokError(
        "config",
        `Expected ${name} to be a whole number of channels from 0 to the ${channels} of the planes, got ${kept}.`,
      );
  return { content, motion };
}

/** Checks the length of windows. @throws CoordTokError `config`. */
export function checkWindowFrames(frames: number): WindowFrames {
  const found = windowLengths.find((length) => length === frames);
  if (found !== undefined) return found;
  throw new CoordTokError("config", `Expected windows of ${windowLengths.join(", ")} frames, got ${frames}.`, {
    options: { windowFrames: undefined },
  });
}

/** Refuses what only a lattice tokenizer takes. @throws CoordTokError `config` naming the option. */
export function refuseLatticeOptions(
  checkpoint: string,
  options: Omit<LatticeOptions, "size"> & {
    readonly size?: LatticeOptions["size"] | number;
    readonly windowFrames?: number | undefined;
  },
): void {
  for (const name of ["size", "content", "motion", "windowFrames"] as const)
    if (options[name] !== undefined)
      throw new CoordTokError(
        "config",
        `The tokenizer in "${checkpoint}" has the paper's form, with one size and all channels; ${name} is for the lattice form, leave it out.`,
        { options: { [name]: undefined } },
      );
}

/** Whether a configuration is of the lattice form. */
export function isLattice(config: AnyTokenizerConfig): config is LatticeConfig {
  return config.form === "lattice";
}
