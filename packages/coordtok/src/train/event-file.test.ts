import { crc32c } from "@coordtok/triplane";
import { encodePng } from "@coordtok/video/node";
import { expect, it } from "vitest";
import { eventRecord, firstRecord, recordsOfMetrics } from "./event-file.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

// Written by the SummaryWriter of PyPI's tensorboard 2.20 for the same values.
it("records are those that TensorBoard's own writer makes", () => {
  expect(hex(firstRecord(1e9))).toBe(
    "1800000000000000a37f4b22090000000065cdcd411a0d627261696e2e4576656e743a32f4eb195e",
  );
  expect(hex(eventRecord(300, 1000000000.5, [{ tag: "train/loss", value: 0.25 }]))).toBe(
    "2100000000000000017becf6090000400065cdcd4110ac022a130a110a0a747261696e2f6c6f7373150000803e472a26a7",
  );
});

it("each line of the metrics is one record, with checksums that fit and the time at which its step ended", () => {
  const lines = [1, 2].map((step) => ({ step, loss: 0.5, gradientNorm: 1, learningRate: 1e-3, seconds: 2, psnrDb: 9 }));
  const all = Buffer.from(recordsOfMetrics(lines, 100));
  const masked = (bytes: Uint8Array): number => {
    const sum = crc32c(bytes);
    return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
  };
  let at = 0;
  const times: number[] = [];
  while (at < all.length) {
    const length = Number(all.readBigUInt64LE(at));
    expect(all.readUInt32LE(at + 8)).toBe(masked(all.subarray(at, at + 8)));
    const data = all.subarray(at + 12, at + 12 + length);
    expect(all.readUInt32LE(at + 12 + length)).toBe(masked(data));
    times.push(data.readDoubleLE(1));
    for (const tag of ["train/loss", "train/psnr_db", "time/step_seconds"]) expect(data.includes(tag), tag).toBe(true);
    expect(data.includes("held_out/psnr_db")).toBe(false);
    at += 16 + length;
  }
  expect(times).toEqual([98, 100]);
});

it("a number that is not finite is left out, and a picture states its size", () => {
  expect(hex(eventRecord(1, 0, [{ tag: "a", value: NaN }]))).toBe(hex(eventRecord(1, 0, [])));
  const png = encodePng({ width: 5, height: 3, data: new Uint8Array(45) });
  const bytes = Buffer.from(eventRecord(1, 0, [{ tag: "preview", value: png }]));
  const at = bytes.indexOf(Buffer.from(png));
  // Height 3, width 5, 3 channels, then the PNG.
  expect([...bytes.subarray(at - 8, at - 2)]).toEqual([8, 3, 16, 5, 24, 3]);
});
