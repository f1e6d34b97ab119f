import { checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";

/** The protocols by name. */
export type ProtocolName =
  "whole-videos" | "coordtok-paper" | "stylegan-v-fvd2048-128f" | "16-frame-windows" | "video-starts";

/** Which clips are evaluated and how they are decoded. Two numbers are comparable only when these are equal. */
export interface Protocol {
  /** How clips are chosen from videos: from `random` starts, `consecutive` from the first frame on, or the `first` of each video alone. */
  readonly choice: "random" | "consecutive" | "first";
  /** Number of clips, or `all`. */
  readonly clips: number | "all";
  /** Frames per clip; `whole` for all frames of a video. */
  readonly length: number | "whole";
  /** Number of patches decoded together; `all` for a whole clip at once. It has no effect on pairs of videos. */
  readonly slice: number | "all";
  /** Number of frames that make one feature vector of the Fréchet video distance. */
  readonly fvdWindow: number;
}

/** A protocol with its name and its changes. */
export interface NamedProtocol extends Protocol {
  /** The preset that it is based on. */
  readonly name: ProtocolName;
  /** The entries that differ from the preset. */
  readonly changed: readonly (keyof Protocol)[];
}

const presets: Readonly<Record<ProtocolName, Protocol>> = {
  "whole-videos": { choice: "consecutive", clips: "all", length: "whole", slice: 1024, fvdWindow: 16 },
  // Paper, section 4.1: 10 000 clips of 128 frames; the official evaluation cuts them into windows of 16
  // (`docs/spec.md#fvd-windows`).
  "coordtok-paper": { choice: "random", clips: 10_000, length: 128, slice: "all", fvdWindow: 16 },
  // The StyleGAN-V metric of that name: 2048 clips; I3D sees all 128 frames at once.
  "stylegan-v-fvd2048-128f": { choice: "random", clips: 2048, length: 128, slice: 1024, fvdWindow: 128 },
  "16-frame-windows": { choice: "consecutive", clips: "all", length: 16, slice: 1024, fvdWindow: 16 },
  "video-starts": { choice: "first", clips: "all", length: 16, slice: 1024, fvdWindow: 16 },
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

/** Returns a protocol by name with some entries changed. @throws CoordTokError `config` for changes that do not fit together. */
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

/** Describes a protocol in words for a report. */
export function protocolText(protocol: NamedProtocol): string {
  const { name, choice, clips, length, changed } = protocol;
  const what =
    length === "whole"
      ? "whole videos"
      : choice === "random"
        ? `random clips of ${length} frames: the videos in random order, repeated as often as needed, each time from a random frame`
        : choice === "first"
          ? `clips of the first ${length} frames of each video`
          : `consecutive clips of ${length} frames from the first frame of each video, the remainder dropped`;
  const count = clips === "all" ? "all" : String(clips);
  const preset = presets[name];
  const notes = changed.map((key) => `${key} ${String(protocol[key])} instead of ${String(preset[key])}`);
  return `${name}: ${count} ${what}${notes.length === 0 ? "" : `; changed: ${notes.join(", ")}`}`;
}
