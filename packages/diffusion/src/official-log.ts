import { CoordTokError } from "@coordtok/core";
import { perPlane, type TriplaneStats } from "@coordtok/triplane";

/**
 * The statistics of latents as the published training logs them, `xy_mean: tensor([...])` and so on, rounded to 4 decimals
 * (fixture README 5.8). The log does not say of how many values; the count is 1.
 * @throws CoordTokError `file-format` when a line is missing or no list of numbers.
 */
export function statsFromOfficialLog(text: string): TriplaneStats {
  const numbers = (name: string): number[] => {
    const list = new RegExp(`${name}: tensor\\(\\[([^\\]]*)\\]`).exec(text)?.[1];
    const values = list?.split(",").map(Number);
    if (values === undefined || values.some((value) => !Number.isFinite(value)))
      throw new CoordTokError("file-format", `Expected a line "${name}: tensor([…])" in the log, found none.`);
    return values;
  };
  return perPlane((plane) => {
    const squares = numbers(`${plane}_std`).map((deviation) => deviation ** 2);
    return { count: 1, mean: numbers(`${plane}_mean`), squares };
  });
}
