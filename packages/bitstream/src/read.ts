import {
  checkOptions,
  CoordTokError,
  messageOf,
  rangeSource,
  sourceName,
  throwIfAborted,
  type Json,
  type OptionNames,
  type RangeSource,
} from "@coordtok/core";
import { parseStoredJson } from "@coordtok/core/text";
import { crc32c, perPlane, type PlaneName, type Triplane } from "@coordtok/triplane";
import { checkHead, hasMagic, headBytes, parseEntry, parseTail, tailBytes, type StoredPiece } from "./format.js";
import { ByteReader } from "./numbers.js";
import { checkPriors, type PriorsName } from "./priors.js";
import { dequantize, type TriplaneCodes } from "./quantize.js";
import { decodePlane, type ChannelBudget, type WindowLayout } from "./window-coder.js";

/** A window of a file. */
export interface StoredWindow extends WindowLayout {
  /** Its pieces in their order in the file, to see where the bytes go. */
  readonly pieces: readonly StoredPiece[];
}

/** Options of reading a window. */
export interface ReadWindowOptions {
  /** Only the first channels are read (default: all that are stored); groups that lie behind them are not touched. The others are 0. */
  readonly budget?: ChannelBudget | undefined;
  /** Stops the reading with an error of code `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

const readWindowOptionNames: OptionNames<ReadWindowOptions> = { budget: true, signal: true };

/** A `.coordtok` file whose index has been read; windows are read when asked for, while the source is open. */
export interface Bitstream<Facts> {
  /** What was stored with the windows. */
  readonly facts: Facts;
  /** What was known of the planes before the first one. */
  readonly priors: PriorsName;
  /** The windows in their order. */
  readonly windows: readonly StoredWindow[];
  /** Bytes of the file that are not in a piece: head, facts, index and tail. */
  readonly otherBytes: number;
  /** How many of them are facts. */
  readonly factBytes: number;
  /**
   * The codes of a window.
   * @param index 0 to windows-1.
   * @throws CoordTokError `file-format` for a damaged piece, `input` for a window that is not there.
   */
  readCodes(index: number, options?: ReadWindowOptions): Promise<TriplaneCodes>;
  /** The planes of a window, with B = 1, owned by the caller; otherwise as `readCodes`. */
  readTriplane(index: number, options?: ReadWindowOptions): Promise<Triplane>;
}

/**
 * Opens a `.coordtok` file (`docs/spec.md#bitstream-file`): reads its head and its index, and later the pieces that are asked for and nothing else.
 * @param parseFacts checks the stored facts, which come from anywhere, and gives them their type.
 * @throws CoordTokError `file-format` for another file, one that is cut short or damaged, or one of a newer version; what `parseFacts` throws.
 */
export async function readBitstream<Facts>(
  source: RangeSource | Uint8Array | Blob,
  parseFacts: (stored: Json) => Facts,
): Promise<Bitstream<Facts>> {
  const file = rangeSource(source);
  const name = sourceName(file);
  if (file.size < headBytes)
    throw new CoordTokError("file-format", `Expected a .coordtok file, but ${name} has only ${file.size} bytes.`);
  checkHead(await file.read(0, headBytes), name);
  if (file.size < headBytes + tailBytes)
    throw new CoordTokError("file-format", `The end of ${name} is missing: it is cut short or still being written.`);
  const tail = parseTail(await file.read(file.size - tailBytes, tailBytes), file.size, name);
  const end = await file.read(tail.factsOffset, tail.factsLength + tail.indexLength);
  if (crc32c(end) !== tail.checksum)
    throw new CoordTokError("file-format", `The index of ${name} is damaged; get the file again.`);
  const { priors, facts } = parseStored(end.subarray(0, tail.factsLength), name);
  const windows = parseIndex(end.subarray(tail.factsLength), tail.windows, tail.factsOffset, name);
  const readCodes = async (index: number, options: ReadWindowOptions = {}): Promise<TriplaneCodes> => {
    checkOptions(options, readWindowOptionNames, "readCodes");
    const window = windows[index];
    if (window === undefined)
      throw new CoordTokError("input", `Expected a window from 0 to ${windows.length - 1}, got ${index}.`);
    return readWindow(file, window, index, priors, options);
  };
  return {
    facts: parseFacts(facts),
    priors,
    windows,
    factBytes: tail.factsLength,
    otherBytes: headBytes + tail.factsLength + tail.indexLength + tailBytes,
    readCodes,
    readTriplane: async (index, options = {}) => dequantize(await readCodes(index, options)),
  };
}

/** Whether a source begins like a `.coordtok` file. */
export async function isBitstream(source: RangeSource | Uint8Array | Blob): Promise<boolean> {
  const file = rangeSource(source);
  return file.size >= headBytes && hasMagic(await file.read(0, headBytes));
}

function parseStored(bytes: Uint8Array, name: string): { priors: PriorsName; facts: Json } {
  let stored: unknown;
  try {
    stored = parseStoredJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw new CoordTokError("file-format", `The facts of ${name} are not valid JSON: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
  if (typeof stored !== "object" || stored === null || !("priors" in stored) || !("facts" in stored))
    throw new CoordTokError("file-format", `Expected facts and the name of the priors in ${name}.`);
  return { priors: checkPriors(stored.priors), facts: stored.facts as Json };
}

function parseIndex(bytes: Uint8Array, count: number, end: number, name: string): StoredWindow[] {
  const reader = new ByteReader(bytes, `the index of ${name}`);
  const windows: StoredWindow[] = [];
  let offset = headBytes;
  let before: WindowLayout | undefined;
  for (let i = 0; i < count; i++) {
    const entry = parseEntry(reader, before, offset, end);
    ({ offset } = entry);
    before = entry.layout;
    windows.push({ ...entry.layout, pieces: entry.pieces });
  }
  if (offset !== end || reader.left > 0)
    throw new CoordTokError("file-format", `The index of ${name} does not describe all of its bytes.`);
  return windows;
}

async function readWindow(
  file: RangeSource,
  window: StoredWindow,
  index: number,
  priors: PriorsName,
  { budget, signal }: ReadWindowOptions,
): Promise<TriplaneCodes> {
  const wanted = (plane: PlaneName): number =>
    budget === undefined ? Infinity : plane === "xy" ? budget.content : budget.motion;
  const pieces = await Promise.all(
    window.pieces
      .filter(({ plane, first }) => first < wanted(plane))
      .map(async (range) => {
        const bytes = await file.read(range.offset, range.length);
        if (crc32c(bytes) !== range.checksum)
          throw new CoordTokError(
            "file-format",
            `Window ${index} of ${sourceName(file)} is damaged in plane ${range.plane}, channels ${range.first} to ${range.end - 1}; get the file again.`,
          );
        return { range, bytes };
      }),
  );
  throwIfAborted(signal);
  const planes = perPlane((plane) => {
    const codes = decodePlane(
      pieces.filter(({ range }) => range.plane === plane),
      plane,
      window,
      priors,
    );
    const perChannel = codes.length / window.shape.channels;
    return codes.fill(0, Math.min(codes.length, wanted(plane) * perChannel));
  });
  return { shape: window.shape, step: window.step, planes };
}
