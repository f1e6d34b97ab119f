import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { channelsOutermost, fitPriors, type FittedPlanes } from "@coordtok/bitstream/fit";
import { clipFromRgb, disposeTree, isCoordTokError, type RgbClip } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { starterBytes } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { planeNames, planeSize, triplaneShape } from "@coordtok/triplane";
import { findVideos, readClip } from "@coordtok/video/node";
import { root } from "./check-command.js";

/* Learns the priors of the coder of packages/bitstream again, from the footage of ../shared/data/free: pnpm coder-priors */

const frames = 16;
const size = { height: 128, width: 128 };
/** The frames of a video that windows are taken from: at its begin, and a third and two thirds of the way where it is long enough. */
const longest = 400;
const letters = 400;

await loadBackend("auto");
const tokenizer = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)), { part: "encoder" });
const clips: FittedPlanes[] = [];
for (const path of await findVideos([join(root, "..", "shared", "data", "free", "videos")])) {
  const clip = await readOrSkip(path);
  const windows = clip === undefined ? 0 : Math.floor(clip.frameCount / frames);
  const chosen = windows < 4 ? [0] : [0, Math.floor(windows / 3), Math.floor((2 * windows) / 3)];
  for (const window of chosen.filter((index) => index < windows)) clips.push(await planesOf(clip!, window));
  console.log(`${clips.length} windows, ${path}`);
}
tokenizer.dispose();
const text = Buffer.from(fitPriors(clips)).toString("base64");
const lines = text.match(new RegExp(`.{1,${letters}}`, "g"))!.map((line) => `  "${line}",`);
const source = `/** The priors of the starter, as \`pnpm coder-priors\` learns them, in base64. */
export const starterPriors: string = [
${lines.join("\n")}
].join("");
`;
const target = join(root, "packages", "bitstream", "src", "priors-data.ts");
await writeAtomically(target, [new TextEncoder().encode(source)], { overwrite: true });

async function readOrSkip(path: string): Promise<RgbClip | undefined> {
  try {
    return (await readClip(path, { length: longest, size })).clip;
  } catch (thrown) {
    if (!isCoordTokError(thrown)) throw thrown;
    console.log(`${path} is left out: ${thrown.message}`);
    return undefined;
  }
}

async function planesOf(clip: RgbClip, window: number): Promise<FittedPlanes> {
  const frameBytes = size.height * size.width * 3;
  const data = clip.data.subarray(window * frames * frameBytes, (window + 1) * frames * frameBytes);
  const given = clipFromRgb([{ data, frameCount: frames, ...size }]);
  const triplane = tokenizer.encode(given);
  const shape = triplaneShape(triplane);
  const [xy, yt, xt] = await Promise.all(
    planeNames.map(async (plane) => channelsOutermost((await triplane[plane].data()) as Float32Array, shape.channels)),
  );
  disposeTree([given.frames, triplane]);
  return {
    values: { xy: xy!, yt: yt!, xt: xt! },
    sizes: { xy: planeSize(shape, "xy"), yt: planeSize(shape, "yt"), xt: planeSize(shape, "xt") },
    channels: shape.channels,
  };
}
