/** @module-tag ffmpeg */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ClipDct, dctOrder, pooledClip, psnrOfRgb } from "@coordtok/metrics";
import { readClip } from "@coordtok/video/node";
import { expect, it } from "vitest";
import { usualEnergies } from "./usual-energies.js";

const shared = join(import.meta.dirname, "../../../../../shared/data/clips");
/** Small ones of the 42 clips of the starter's table, whose means are 24.2 and 27.2 dB in this order, 24.3 and 27.2 dB in one learnt from footage. */
const clips = [
  "PaddlePaddle+PaddleVideo/example.avi",
  "bjuncek+vision/hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi",
  "bjuncek+vision/v_SoccerJuggling_g23_c01.avi",
  "bryanyzhu+tiny-ucf101/v_Basketball_g01_c01.avi",
  "facebookarchive+C3D/v_BaseballPitch_g01_c01.avi",
  "google-deepmind+kinetics-i3d/v_CricketShot_g04_c01_rgb.gif",
  "open-mmlab+mmaction2/history/demo.mp4",
  "pytorch+torchcodec/nasa_13013.mp4",
].map((name) => join(shared, name));

/** As many numbers as 8 and 32 channels of planes of 16 frames of 128 x 128, and the mean PSNR by NumPy. */
const expected = [
  [3072, 24.8],
  [12_288, 28.05],
] as const;

it(
  "the cosine transform gives the figures of NumPy at the starter's numbers, and pooling gives less",
  { timeout: 120_000 },
  async (context) => {
    if (!clips.every((path) => existsSync(path))) context.skip("../shared/data/clips is not here");
    const [dct, pooled] = [
      [0, 0],
      [0, 0],
    ];
    let order: Uint32Array | undefined;
    for (const path of clips) {
      const { clip } = await readClip(path, { length: 16, size: { height: 128, width: 128 } });
      const { coefficients } = new ClipDct(clip);
      order ??= dctOrder(usualEnergies(clip));
      const places = order;
      expected.forEach(([numbers], i) => {
        // What is left out is the error, but for cuts and rounding to bytes.
        const error = places.subarray(numbers).reduce((sum, place) => sum + coefficients[place]! ** 2, 0);
        dct[i]! += (10 * Math.log10((255 ** 2 * coefficients.length) / error)) / clips.length;
        pooled[i]! += psnrOfRgb(clip, pooledClip(clip, numbers)).clipDb / clips.length;
      });
    }
    expected.forEach(([, psnrDb], i) => {
      expect(Math.abs(dct[i]! - psnrDb)).toBeLessThan(0.25);
      expect(pooled[i]).toBeLessThan(psnrDb - 0.5);
    });
  },
);
