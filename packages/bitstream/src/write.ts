import { checkOptions, CoordTokError, throwIfAborted, type Json, type OptionNames } from "@coordtok/core";
import { crc32c } from "@coordtok/triplane";
import { checkLayout, encodeEntry, encodeHead, encodeTail, limits } from "./format.js";
import { ByteWriter } from "./numbers.js";
import { checkPriors, type PriorsName } from "./priors.js";
import { checkStep, largestCode, type TriplaneCodes } from "./quantize.js";
import { encodePieces, type ChannelBudget, type WindowLayout } from "./window-coder.js";
import { planeNames, planeSize } from "@coordtok/triplane";

/** A window to be written. */
export interface BitstreamWindow {
  /** Its planes. */
  readonly codes: TriplaneCodes;
  /** The channels to store (default: all); what the others hold is left out. */
  readonly budget?: ChannelBudget | undefined;
}

/** Options of {@link encodeBitstream}. */
export interface EncodeBitstreamOptions {
  /** What is known of the planes before the first one: `starter` for those of the starter's lattice form, else `none` (the default). */
  readonly priors?: PriorsName | undefined;
  /**
   * Where groups of channels end that can be read without those behind them, ascending; what exceeds the channels is left out and the last
   * group ends with them (default `[8]`: the first 8, then the others). Each costs about 8 bytes a plane.
   */
  readonly groups?: readonly number[] | undefined;
  /** Ends the writing with an error of code `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

const encodeBitstreamOptionNames: OptionNames<EncodeBitstreamOptions> = { priors: true, groups: true, signal: true };

/**
 * The bytes of a `.coordtok` file (`docs/spec.md#bitstream-file`), piece by piece, for `writeAtomically` of `@coordtok/core/node` or a `Blob`.
 * A window is coded and leaves as soon as it comes, and only a few bytes of each are kept until the end.
 * @param windows at least one, up to 2^20.
 * @param facts what the reader should know, plain data; a function is called when all windows have come.
 * @throws CoordTokError `input` for no window, or codes that do not fit their shape; `config` for options out of range.
 */
export async function* encodeBitstream(
  windows: Iterable<BitstreamWindow> | AsyncIterable<BitstreamWindow>,
  facts: Json | (() => Json),
  options: EncodeBitstreamOptions = {},
): AsyncGenerator<Uint8Array, void> {
  checkOptions(options, encodeBitstreamOptionNames, "encodeBitstream");
  const { priors = "none", groups = [8], signal } = options;
  checkPriors(priors);
  const head = new ByteWriter();
  encodeHead(head);
  yield head.bytes();
  const index = new ByteWriter();
  let offset = head.length;
  let count = 0;
  let before: WindowLayout | undefined;
  for await (const { codes, budget } of windows) {
    throwIfAborted(signal);
    if (++count > limits.windows)
      throw new CoordTokError("input", `Expected at most ${limits.windows} windows in one file, got more.`);
    const layout = layoutOf(codes, budget, groups);
    const pieces = encodePieces(codes.planes, layout, priors);
    encodeEntry(index, layout, before, pieces);
    before = layout;
    for (const piece of pieces) {
      offset += piece.length;
      if (piece.length > 0) yield piece;
    }
  }
  if (count === 0) throw new CoordTokError("input", "Expected at least one window to write, got none.");
  yield encodeEnd(typeof facts === "function" ? facts() : facts, priors, index, { offset, count });
}

/** Bytes of the index for a piece: its checksum and its length, mostly. */
const indexBytesOfPiece = 6;

/**
 * How many bytes a window takes in a file that {@link encodeBitstream} writes, its part of the index included, without writing it.
 * @throws CoordTokError as `encodeBitstream`.
 */
export function codedBytes({ codes, budget }: BitstreamWindow, options: EncodeBitstreamOptions = {}): number {
  checkOptions(options, encodeBitstreamOptionNames, "codedBytes");
  const { priors = "none", groups = [8] } = options;
  const pieces = encodePieces(codes.planes, layoutOf(codes, budget, groups), checkPriors(priors));
  return pieces.reduce((sum, { length }) => sum + length + indexBytesOfPiece, 0);
}

function encodeEnd(
  facts: Json,
  priors: PriorsName,
  index: ByteWriter,
  { offset, count }: { readonly offset: number; readonly count: number },
): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify({ priors, facts }));
  if (text.length > limits.factBytes || index.length > limits.indexBytes)
    throw new CoordTokError("input", `Expected at most ${limits.factBytes} bytes of facts, got ${text.length}.`);
  const indexBytes = index.bytes();
  const tail = new ByteWriter();
  encodeTail(tail, {
    factsOffset: offset,
    factsLength: text.length,
    indexLength: indexBytes.length,
    windows: count,
    checksum: crc32c(indexBytes, crc32c(text)),
  });
  const end = new Uint8Array(text.length + indexBytes.length + tail.length);
  end.set(text);
  end.set(indexBytes, text.length);
  end.set(tail.bytes(), text.length + indexBytes.length);
  return end;
}

function layoutOf(
  { shape, step, planes }: TriplaneCodes,
  budget: ChannelBudget | undefined,
  groups: readonly number[],
): WindowLayout {
  const { time, rows, columns, channels } = shape;
  const { content, motion } = budget ?? { content: channels, motion: channels };
  for (const [name, kept] of [
    ["content", content],
    ["motion", motion],
  ] as const)
    if (!(Number.isInteger(kept) && kept >= 0 && kept <= channels))
      throw new CoordTokError(
        "input",
        `Expected ${name} to be a whole number of channels from 0 to the ${channels} of the planes, got ${kept}.`,
      );
  if (!(Number.isInteger(channels) && channels >= 1 && channels <= limits.channels))
    throw new CoordTokError("input", `Expected planes of 1 to ${limits.channels} channels to code, got ${channels}.`);
  for (const plane of planeNames) {
    const [outer, inner] = planeSize(shape, plane);
    if (planes[plane].length !== outer * inner * channels || planes[plane].some((code) => Math.abs(code) > largestCode))
      throw new CoordTokError(
        "input",
        `Expected ${outer * inner * channels} codes of -${largestCode} to ${largestCode} for plane ${plane}, as quantize makes them.`,
      );
  }
  const layout: WindowLayout = {
    shape: { time, rows, columns, channels },
    step: checkStep(step),
    budget: { content, motion },
    groups: [...groups.filter((end) => end < channels), channels],
  };
  checkLayout(layout);
  return layout;
}
