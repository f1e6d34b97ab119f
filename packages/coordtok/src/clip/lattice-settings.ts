import { CoordTokError } from "@coordtok/core";
import type { AnyTokenizerConfig, Budget, LatticeConfig } from "@coordtok/tokenizer";
import type { FrameSize } from "@coordtok/tokenizer/lattice";

/** Rows and columns of frames in pixels. */
export type FramePixels = Pick<FrameSize, "height" | "width">;

/** The number of frames that the lattice form can encode together. */
export type WindowFrames = 8 | 16 | 32 | 64;

const windowLengths: readonly WindowFrames[] = [8, 16, 32, 64];

/** Options of the lattice form. The paper's form has its own frame size and accepts none of them. */
export interface LatticeOptions {
  /** The size that frames are scaled and cropped to, 8 to 4096 pixels each way (default 128 x 128). */
  readonly size?: FramePixels | undefined;
  /** Number of channels to keep of the plane xy, from 0 (default: all, 32 in the starter). */
  readonly content?: number | undefined;
  /** Number of channels to keep of the planes yt and xt, from 0 (default: all, 32 in the starter). */
  readonly motion?: number | undefined;
}

/** The settings that the options amount to. */
export interface LatticeSettings {
  readonly size: FramePixels;
  readonly budget: Budget;
}

const defaultSize: FramePixels = { height: 128, width: 128 };

/**
 * Checks the options of the lattice form and fills in the defaults. @throws CoordTokError `config` for a size or a budget that is
 * out of range.
 */
export function latticeSettings({ channels }: LatticeConfig, options: LatticeOptions): LatticeSettings {
  const { size = defaultSize, content = channels, motion = channels } = options;
  for (const name of ["height", "width"] as const)
    if (!(Number.isInteger(size[name]) && size[name] >= 8 && size[name] <= 4096))
      throw new CoordTokError("config", `Expected a ${name} of frames from 8 to 4096 pixels, got ${size[name]}.`, {
        options: { size: undefined },
      });
  for (const [name, kept] of Object.entries({ content, motion }))
    if (!(Number.isInteger(kept) && kept >= 0 && kept <= channels))
      throw new CoordTokError(
        "config",
        `Expected ${name} to be a whole number of channels from 0 to the ${channels} of the planes, got ${kept}.`,
      );
  return { size, budget: { content, motion } };
}

/** Checks the length of windows. @throws CoordTokError `config` when it is not one of the lengths. */
export function checkWindowFrames(frames: number): WindowFrames {
  const found = windowLengths.find((length) => length === frames);
  if (found !== undefined) return found;
  throw new CoordTokError("config", `Expected windows of ${windowLengths.join(", ")} frames, got ${frames}.`, {
    options: { windowFrames: undefined },
  });
}

/** Throws for options that apply only to the lattice form. @throws CoordTokError `config` naming the option. */
export function refuseLatticeOptions(
  checkpoint: string,
  options: LatticeOptions & { readonly windowFrames?: number | undefined },
): void {
  for (const name of ["size", "content", "motion", "windowFrames"] as const)
    if (options[name] !== undefined)
      throw new CoordTokError(
        "config",
        `The tokenizer in "${checkpoint}" has the paper's form, with one size and all channels; ${name} applies to the lattice form, leave it out.`,
        { options: { [name]: undefined } },
      );
}

/** Whether a configuration has the lattice form. */
export function isLattice(config: AnyTokenizerConfig): config is LatticeConfig {
  return config.form === "lattice";
}
