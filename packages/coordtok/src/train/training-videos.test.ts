import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withoutHeldOut } from "./training-videos.js";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-held-out-"));
  for (const name of ["a.mp4", "b.mp4", "c.mp4"]) writeFileSync(at(name), name);
  symlinkSync(at("a.mp4"), at("link to a.mp4"));
  linkSync(at("b.mp4"), at("second name of b.mp4"));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

it("held-out videos are left out of the training under every path and link, and that is said", async () => {
  const notes: string[] = [];
  const onNote = (text: string): void => void notes.push(text);
  const videos = ["a.mp4", "b.mp4", "c.mp4"].map(at);
  const heldOut = [at("link to a.mp4"), `${folder}/../${folder.split("/").at(-1)}/second name of b.mp4`];
  expect(await withoutHeldOut(videos, heldOut, { onNote })).toEqual([at("c.mp4")]);
  expect(notes).toEqual([`Held out, so not trained on: ${at("a.mp4")}, ${at("b.mp4")}`]);
  expect(await withoutHeldOut(videos, [at("elsewhere.mp4")], { onNote })).toEqual(videos);
  expect(notes).toHaveLength(1);
});

it("a training with nothing but held-out videos is refused", async () => {
  await expect(withoutHeldOut([at("a.mp4")], [at("a.mp4")], {})).rejects.toMatchObject({ code: "input" });
});
