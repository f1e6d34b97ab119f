import { disposeTree, Random, type Clip } from "@coordtok/core";
import { refine } from "@coordtok/tokenizer/refine";
import { disposeTriplane } from "@coordtok/triplane";
import type { Rank } from "@tensorflow/tfjs-core";
import { CoordTok } from "coordtok";
import type { OperationTime } from "../operations.js";
import { median } from "../timing.js";

const size = { frames: 16, height: 128, width: 128 };
const rounds = 5;
/** A refinement step is the difference between these numbers of steps, divided by theirs. */
const refineSteps = [1, 4] as const;

/** Measures the starter on a clip of noise of 16 frames of 128x128: encode, decode, and one step of refinement. */
export async function latticeTimes(): Promise<OperationTime[]> {
  const model = await CoordTok.fromPretrained("starter");
  if (model.form !== "lattice") throw new Error("Expected the starter to have the lattice form.");
  const frames = new Random(1).normalTensor<Rank.R5>([1, size.frames, size.height, size.width, 3], 0.3);
  const clip: Clip = { frames, validFrames: [size.frames] };
  const planes = model.encode(clip);
  try {
    const encoded = await medianOf(async () => {
      const made = model.encode(clip);
      await made.xy.data();
      disposeTriplane(made);
    });
    const decoded = await medianOf(async () => {
      const { frames: made } = await model.decode(planes);
      await made.data();
      made.dispose();
    });
    const refined = async (steps: number): Promise<number> =>
      medianOf(async () => {
        const { triplane } = await refine(model, clip, planes, { steps });
        disposeTriplane(triplane);
      });
    const [few, more] = refineSteps;
    const step = ((await refined(more)) - (await refined(few))) / (more - few);
    return [
      { name: "encode", medianSeconds: encoded },
      { name: "decode", medianSeconds: decoded },
      { name: "refine step", medianSeconds: step },
    ];
  } finally {
    disposeTree([frames, planes]);
    model.dispose();
  }
}

async function medianOf(run: () => Promise<void>): Promise<number> {
  await run();
  const seconds: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    await run();
    seconds.push((performance.now() - started) / 1000);
  }
  return median(seconds);
}
