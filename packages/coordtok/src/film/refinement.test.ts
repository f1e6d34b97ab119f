import { disposeTree, type RgbFrame } from "@coordtok/core";
import { CoordTok, LatticeCoordTok, preset, type AnyTokenizer } from "@coordtok/tokenizer";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { expect, it } from "vitest";
import { encodeStream, type FilmRefineOptions, type TriplaneWindow } from "./index.js";
import { RefinementSum } from "./refinement.js";

const forms = {
  lattice: (): AnyTokenizer =>
    LatticeCoordTok.create(
      { form: "lattice", width: 32, heads: 2, videoLayers: 1, latentLayers: 1, decoderLayers: 1, channels: 4 },
      { seed: 5 },
    ),
  paper: (): AnyTokenizer => CoordTok.create(preset("test"), { seed: 5 }),
} as const;

async function film(): Promise<RgbFrame[]> {
  const frames: RgbFrame[] = [];
  const clip = syntheticClip({ frames: 16, height: 32, width: 32, seed: 4 });
  for await (const frame of framesFromClip(clip, 10)) frames.push(frame);
  return frames;
}

/** Encodes a film in two windows. */
async function refined(
  model: AnyTokenizer,
  refine: FilmRefineOptions | undefined,
  onWindow: () => void = () => undefined,
): Promise<{ sums: (RefinementSum | undefined)[]; planes: number[][] }> {
  const sums: (RefinementSum | undefined)[] = [];
  const planes: number[][] = [];
  const options = { model, windowFrames: 8, overlap: 0, split: "fixed", refine } as const;
  for await (const window of encodeStream(await film(), options)) {
    sums.push(window.refinement);
    planes.push(await valuesOf(window));
    disposeTree([...window.triplanes]);
    onWindow();
  }
  return { sums, planes };
}

async function valuesOf({ triplanes }: TriplaneWindow): Promise<number[]> {
  return [...((await triplanes[0]!.xy.data()) as Float32Array)];
}

describeEachBackend("the refinement of a film", { timeout: 60_000 }, () => {
  it.each(["lattice", "paper"] as const)("improves the planes of every window (%s)", async (form) => {
    using model = forms[form]();
    await expectNoLeak(async () => {
      const { sums } = await refined(model, { steps: 3 });
      const whole = new RefinementSum();
      for (const sum of sums) whole.join(sum!);
      const facts = whole.facts()!;
      expect(facts).toMatchObject({ windows: 2, steps: 6 });
      expect(facts.psnrDb).toBeGreaterThan(facts.startPsnrDb);
    });
  });

  it("ends with the window under way when it is stopped, and the others stay as they are", async () => {
    using model = forms.lattice();
    const stop = new AbortController();
    const plain = await refined(model, undefined);
    await expectNoLeak(async () => {
      const { sums, planes } = await refined(model, { steps: 2, stop: stop.signal }, () => {
        stop.abort();
      });
      expect(sums.map((sum) => sum?.facts()?.steps)).toEqual([2, undefined]);
      expect(planes[0]).not.toEqual(plain.planes[0]);
      expect(planes[1]).toEqual(plain.planes[1]);
    });
  });

  it("takes either steps or seconds", async () => {
    using model = forms.lattice();
    const { sums } = await refined(model, { seconds: 0.05 });
    expect(sums.every((sum) => sum!.facts()!.steps >= 1)).toBe(true);
    await expect(refined(model, { steps: 1, seconds: 1 })).rejects.toThrow("either a number of steps or of seconds");
    await expect(refined(model, {})).rejects.toThrow("either a number of steps or of seconds");
    await expect(refined(model, { steps: 0 })).rejects.toThrow("steps");
    await expect(refined(model, mistyped({ step: 1 }))).rejects.toThrow('did you mean "steps"');
  });
});
