import { PNG } from "pngjs";
import { describe, expect, it } from "vitest";
import { enlarge } from "../picture.js";
import { encodePng } from "./png.js";

describe("PNG", () => {
  it("PNG files hold the pixels and enlarging repeats them", () => {
    const picture = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 250, 251, 252) };
    const read = PNG.sync.read(Buffer.from(encodePng(enlarge(picture, 2))));
    expect([read.width, read.height]).toEqual([4, 2]);
    expect([...read.data.subarray(4, 12)]).toEqual([1, 2, 3, 255, 250, 251, 252, 255]);
    // The last pixel as well.
    expect([...read.data.subarray(-4)]).toEqual([250, 251, 252, 255]);
  });
});
