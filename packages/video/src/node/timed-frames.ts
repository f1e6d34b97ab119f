import type { FrameSize } from "../types.js";

/** Ticks a second of the times of frames. */
export const ticksPerSecond = 10_000;

/**
 * A stream of raw RGB frames with their times, which ffmpeg reads from a pipe: Matroska (RFC 9559) with uncompressed video, whose segment
 * and clusters are written without knowing how many follow.
 */
export const timedFrames = {
  /** The bytes before the first frame. */
  head: ({ width, height }: FrameSize): Uint8Array =>
    Buffer.concat([
      element(
        0x1a45dfa3,
        element(0x4286, number(1)),
        element(0x42f7, number(1)),
        element(0x42f2, number(4)),
        element(0x42f3, number(8)),
        element(0x4282, Buffer.from("matroska")),
        element(0x4287, number(4)),
        element(0x4285, number(2)),
      ),
      // A segment of unknown size.
      Buffer.from([0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      element(
        0x1549a966,
        element(0x2ad7b1, number(1e9 / ticksPerSecond)),
        element(0x4d80, Buffer.from("coordtok")),
        element(0x5741, Buffer.from("coordtok")),
      ),
      element(
        0x1654ae6b,
        element(
          0xae,
          element(0xd7, number(1)),
          element(0x73c5, number(1)),
          element(0x83, number(1)),
          element(0x86, Buffer.from("V_UNCOMPRESSED")),
          element(
            0xe0,
            element(0xb0, number(width)),
            element(0xba, number(height)),
            // ffmpeg's mark of 24 bits in the order red, green, blue.
            element(0x2eb524, Buffer.from([0x52, 0x47, 0x42, 24])),
          ),
        ),
      ),
    ]),
  /**
   * The bytes before the numbers of a frame.
   * @param bytes of the frame.
   * @param seconds when it is shown, at least 0.
   * @param durationSeconds how long.
   */
  before: (bytes: number, seconds: number, durationSeconds: number): Uint8Array => {
    // The number of the track, no time beside that of the cluster, no flags.
    const block = Buffer.from([0x81, 0, 0, 0]);
    const duration = element(0x9b, number(Math.max(1, Math.round(durationSeconds * ticksPerSecond))));
    const blockHead = head(0xa1, block.length + bytes);
    const group = duration.length + blockHead.length + block.length + bytes;
    const time = element(0xe7, number(Math.round(seconds * ticksPerSecond)));
    const groupHead = head(0xa0, group);
    return Buffer.concat([
      head(0x1f43b675, time.length + groupHead.length + group),
      time,
      groupHead,
      duration,
      blockHead,
      block,
    ]);
  },
};

function element(id: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([head(id, body.length), body]);
}

/** The identifier of an element and its size in eight bytes. */
function head(id: number, size: number): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(size) | (1n << 56n));
  return Buffer.concat([number(id), length]);
}

/** A whole number without leading zeros, the most significant byte first. */
function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes.subarray(
    Math.min(
      7,
      bytes.findIndex((byte) => byte !== 0),
    ),
  );
}
