import { checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";

/** The protocols by name. */
export type ProtocolName = "whole-videos" | "coordtok-paper" | "stylegan-v-fvd2048-128f" | "16-frame-windows";

/** Which clips are evaluated and how they are decoded: what has to be equal for two numbers to be compared. */
export interface Protocol {
  /** Which clips of the videos: `random` starts, or one after the other from the first frame on. */
  readonly choice: "random" | "consecutive";
  /** How many clips; `all` for every one that there is. */
  readonly clips: number | "all";
  /** Frames of a clip; `whole` for all of a video. */
  readonly length: number | "whole";
  /** How many patches are decoded together; `all` for a whole clip at once. Of no effect on pairs of videos. */
  readonly slice: number | "all";
  /** How many frames make one feature vector of the Fréchet video distance. */
  readonly fvdWindow: number;
}

/** A protocol with its name and what was changed in it. */
export interface NamedProtocol extends Protocol {
  /** The preset that it began as. */
  readonly name: ProtocolName;
  /** The entries that differ from the preset. */
  readonly changed: readonly (keyof Protocol)[];
}

const presets: Readonly<Record<ProtocolName, Protocol>> = {
  "whole-videos": { choice: "consecutive", clips: "all", length: "whole", slice: 1024, fvdWindow: 16 },
  // Paper, section 4.1: 10 000 clips of 128 frames; the official evaluation cuts them in windows of 16 (`docs/spec.md#fvd-windows`).
  "coordtok-paper": { choice: "random", clips: 10_000, length: 128, slice: "all", fvdWindow: 16 },
  // StyleGAN-V's metric of that name: 2048 clips, I3D sees all 128 frames at once.
  "stylegan-v-fvd2048-128f": { choice: "random", clips: 2048, length: 128, slice: 1024, fvdWindow: 128 },
  "16-frame-windows": { choice: "consecutive", clips: "all", length: 16, slice: 1024, fvdWindow: 16 },
};

const protocolEntries: OptionNames<Protocol> = {
  choice: true,
  clips: true,
  length: true,
  slice: true,
  fvdWindow: true,
};

/** The names of all protocols. */
export const protocolNames: readonly ProtocolName[] = Object.keys(presets) as ProtocolName[];

/** A protocol by name with some entries changed. @throws CoordTokError `config` for changes that do not fit together. */
export function protocolOf(
  name: ProtocolName,
  changes: { readonly [key in keyof Protocol]?: Protocol[key] | undefined } = {},
): NamedProtocol {
  const preset = presets[name];
  checkOptions(changes, protocolEntries, "protocolOf");
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const protocol: Protocol = { ...preset, ...Object.fromEntries(given) };
  const keys = Object.keys(preset) as (keyof Protocol)[];
  if (protocol.choice === "random" && (protocol.length === "whole" || protocol.clips === "all"))
    throw new CoordTokError("config", "Expected a number of clips and frames for random clips.");
  return { name, ...protocol, changed: keys.filter((key) => protocol[key] !== preset[key]) };
}

/** A protocol in words for a report. */
export function protocolText(protocol: NamedProtocol): string {
  const { name, choice, clips, length, changed } = protocol;
  const what =
    length === "whole"
      ? "whole videos"
      : choice === "random"
        ? `random clips of ${length} frames: the videos in a random order, over again as often as needed, each time from a random frame`
        : `clips of ${length} frames one after the other from the first frame of each video, a rest dropped`;
  const count = clips === "all" ? "all" : String(clips);
  const preset = presets[name];
  const notes = changed.map((key) => `${key} ${String(protocol[key])} instead of ${String(preset[key])}`);
  return `${name}: ${count} ${what}${notes.length === 0 ? "" : `; changed: ${notes.join(", ")}`}`;
}
