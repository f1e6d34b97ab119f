import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateReconstruction } from "./evaluate-reconstruction.js";
import type { EvaluateReconstructionOptions } from "./options.js";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);

async function evaluate(out: string, options: Partial<EvaluateReconstructionOptions> = {}): Promise<unknown> {
  const { report } = await evaluateReconstruction([at("real")], {
    against: at("made"),
    out,
    backend: "wasm",
    sanityClips: 0,
    ...options,
  });
  return report;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-repair-"));
  for (const [place, name, seed] of [
    ["real", "a", 1],
    ["real", "b", 2],
    ["made", "a", 3],
    ["made", "b", 4],
  ] as const) {
    await mkdir(at(place), { recursive: true });
    const clip = syntheticClip({ frames: 4, height: 32, width: 32, seed });
    await writeVideo(at(place, `${name}.mp4`), framesFromClip(clip, 25), { fps: 25 });
  }
  await evaluate(at("whole"));
  await evaluate(at("other"), { seed: 7, size: { height: 16, width: 16 } });
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const damages: Readonly<Record<string, (file: string, name: string) => Promise<void>>> = {
  deleted: (file) => rm(file),
  truncated: async (file) => truncate(file, Math.floor((await stat(file)).size / 2)),
  "filled with zeros": async (file) => writeFile(file, new Uint8Array((await stat(file)).size)),
  "swapped with that of another evaluation": (file, name) => copyFile(at("other", name), file),
};
const files = ["settings.json", "clips.jsonl", "report.json", "report.html", "strips/0.png", ".coordtok.json"];

describe.each(files)("%s of an evaluation", (name) => {
  it.each(Object.keys(damages))("%s, is made again by the same command or by overwriting", async (damage) => {
    const out = at(`${name.replace("/", "-")} ${damage}`);
    await cp(at("whole"), out, { recursive: true });
    await damages[damage]!(join(out, name), name);
    await evaluate(out).catch(async (thrown: unknown) => {
      expect(thrown).toMatchObject({ options: { overwrite: true } });
      await evaluate(out, { overwrite: true });
    });
    const report = JSON.parse(await readFile(join(out, "report.json"), "utf8")) as { readonly planned: unknown };
    expect(Object.keys(report)).toEqual(
      Object.keys(JSON.parse(await readFile(at("whole", "report.json"), "utf8")) as object),
    );
    expect((await readFile(join(out, "clips.jsonl"), "utf8")).trim().split("\n")).toHaveLength(2);
  });
});

describe("an evaluation that replaces another one", () => {
  it("leaves the old one whole when it is stopped, and goes on when it is called again", async () => {
    const out = at("replaced");
    await cp(at("whole"), out, { recursive: true });
    const before = await readFile(join(out, "report.json"), "utf8");
    const stop = new AbortController();
    const onProgress = ({ task, done }: { readonly task: string; readonly done: number }): void => {
      if (task === "evaluate" && done >= 5) stop.abort();
    };
    const stopped = evaluate(out, { overwrite: true, seed: 5, signal: stop.signal, onProgress });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    expect(await readFile(join(out, "report.json"), "utf8")).toBe(before);
    const notes: string[] = [];
    await evaluate(out, { overwrite: true, seed: 5, onNote: (line) => notes.push(line) });
    expect(notes.join("\n")).toContain("Resuming: 1 of 2 clips are measured");
    expect(JSON.parse(await readFile(join(out, "settings.json"), "utf8"))).toMatchObject({ seed: 5 });
    expect((await readdir(out)).filter((one) => one.startsWith(".coordtok."))).toEqual([".coordtok.json"]);
  });
});
