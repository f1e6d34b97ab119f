import { copyFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { parseHTML } from "linkedom";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateReconstruction, mergeEvaluations } from "./index.js";
import { markup } from "./markup.js";

const script = `"'><script>alert(1)</script><img src=x onerror=alert(2)>`;
/** For one that merges, on a busy machine. */
const long = 60_000;
let folder = "";
let merged = 0;
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  await loadBackend("wasm");
  folder = await mkdtemp(join(tmpdir(), "coordtok-parts-"));
  await mkdir(at("videos", "<b>class</b>"), { recursive: true });
  const clip = syntheticClip({ frames: 4, height: 32, width: 32 });
  const name = `<img src=x onerror=alert(1)>".mkv`;
  await writeVideo(at("videos", "<b>class</b>", "a.mkv"), framesFromClip(clip, 25), { fps: 25 });
  await copyFile(at("videos", "<b>class</b>", "a.mkv"), at("videos", name));
  for (const index of [1, 2])
    await evaluateReconstruction([at("videos")], {
      against: at("videos"),
      out: at("parts"),
      part: { number: index, of: 2 },
      backend: "wasm",
      sanityClips: 0,
    });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

type Stored = Record<string, unknown>;

/** Merges with a second part in which a file was changed. Gives the page, or the code and sentence of the error. */
async function mergedWith(
  file: string,
  change: (stored: Stored) => void,
): Promise<{ page?: string; code?: string; sentence?: string }> {
  const part = at(`changed-${++merged}`);
  await cp(at("parts", "part-2of2"), part, { recursive: true });
  const stored = JSON.parse(await readFile(join(part, file), "utf8")) as Stored;
  change(stored);
  await writeFile(join(part, file), `${JSON.stringify(stored)}\n`);
  return mergedFrom(part);
}

async function mergedFrom(part: string): Promise<{ page?: string; code?: string; sentence?: string }> {
  try {
    const { files } = await mergeEvaluations([at("parts", "part-1of2"), part], { out: at(`merged-${++merged}`) });
    return { page: await readFile(files.page, "utf8") };
  } catch (thrown) {
    const { code, sentence } = thrown as { readonly code: string; readonly sentence: string };
    return { code, sentence };
  }
}

/** What a page would run or load. */
function activeParts(page: string): string[] {
  const { document } = parseHTML(page);
  const all = [...document.querySelectorAll("*")];
  return [
    ...all.filter(({ localName }) => /^(script|iframe|object|embed|link|base|form|b)$/.test(localName)),
    ...all.filter(({ attributes }) => [...attributes].some(({ name }) => name.startsWith("on"))),
    ...all.filter((one) => one.localName === "img" && !(one.getAttribute("src") ?? "").startsWith("data:image/png;")),
  ].map(({ outerHTML }) => outerHTML);
}

describe("the page of an evaluation", { timeout: long }, () => {
  it("shows names of files and classes as they are, and runs and loads nothing", async () => {
    const { page } = await mergedWith("settings.json", () => undefined);
    expect(activeParts(page!)).toEqual([]);
    expect(parseHTML(page!).document.body.textContent).toContain(`<img src=x onerror=alert(1)>".mkv`);
    expect(parseHTML(page!).document.body.textContent).toContain("<b>class</b>/a.mkv");
  });

  it("has a policy that allows no script and nothing from elsewhere", async () => {
    const { page } = await mergedWith("settings.json", () => undefined);
    const policy = parseHTML(page!).document.querySelector('meta[http-equiv="Content-Security-Policy"]');
    expect(policy?.getAttribute("content")).toBe(
      "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-src 'none'",
    );
  });

  it("shows scripts in texts that may say anything as text", async () => {
    const { page } = await mergedWith("settings.json", ({ environment }) => {
      (environment as Stored)["device"] = script;
      (environment as Stored)["backend"] = script;
    });
    expect(activeParts(page!)).toEqual([]);
    expect(parseHTML(page!).document.body.textContent).toContain("<script>alert(1)</script>");
  });
});

describe("a part is refused in a sentence with its file and field", { timeout: long }, () => {
  it.each<[string, (stored: Stored) => void]>([
    ["seed", (stored) => (stored["seed"] = script)],
    ["protocol.name", (stored) => ((stored["protocol"] as Stored)["name"] = script)],
    ["protocol.changed.0", (stored) => ((stored["protocol"] as Stored)["changed"] = [script])],
    ["reference.given.0", (stored) => ((stored["reference"] as Stored)["given"] = [7])],
    ["planned.reference", (stored) => ((stored["planned"] as Stored)["reference"] = -1)],
    ["task", (stored) => (stored["task"] = "__proto__")],
    ["shard.count", (stored) => (stored["shard"] = { index: 2, count: 1e9 })],
    ["shard.index", (stored) => (stored["shard"] = { index: 0, count: 2 })],
    ["made", (stored) => (stored["made"] = null)],
    ["environment", (stored) => delete stored["environment"]],
    ["environment.leftOut.0.name", (stored) => ((stored["environment"] as Stored)["leftOut"] = [{ reason: "x" }])],
  ])("for %s of settings.json", async (field, change) => {
    const { code, sentence } = await mergedWith("settings.json", change);
    expect(code).toBe("file-format");
    expect(sentence).toContain(`for ${field} in`);
    expect(sentence).toContain("settings.json");
    expect(sentence!.length).toBeLessThan(600);
  });

  it.each<[string, (stored: Stored) => void]>([
    ["index", (stored) => (stored["index"] = "../../victim")],
    ["index", (stored) => (stored["index"] = 1.5)],
    ["name", (stored) => (stored["name"] = { toString: 1 })],
    ["motion", (stored) => (stored["motion"] = script)],
    ["perFrame", (stored) => (stored["perFrame"] = [])],
    ["perFrame.psnrDb.0", (stored) => (stored["perFrame"] = { psnrDb: ["x"] })],
    ["frames", (stored) => (stored["frames"] = -1)],
  ])("for %s of a line of clips.jsonl", async (field, change) => {
    const { code, sentence } = await mergedWith("clips.jsonl", change);
    expect([code, sentence]).toEqual(["file-format", expect.stringContaining(`for ${field} in line 1 of`)]);
  });

  it.each(["[", "null", "7", '"x"', "[]", "\u0000"])("for settings.json that is %j", async (text) => {
    const part = at(`broken-${++merged}`);
    await cp(at("parts", "part-2of2"), part, { recursive: true });
    await writeFile(join(part, "settings.json"), text);
    expect(await mergedFrom(part)).toMatchObject({
      code: "file-format",
      sentence: expect.stringContaining("settings.json") as string,
    });
  });

  it("whose files are links that lead out of it", async () => {
    for (const name of ["settings.json", "clips.jsonl", "strips"]) {
      const part = at(`linked-${++merged}`);
      await cp(at("parts", "part-2of2"), part, { recursive: true });
      await rm(join(part, name), { recursive: true });
      await symlink(at("parts", "part-2of2", name), join(part, name));
      expect([name, (await mergedFrom(part)).code]).toEqual([name, "file-format"]);
    }
  });
});

describe("markup", () => {
  it("escapes every part but markup, and joins lists", () => {
    const parts = ["<i>", `"'&\``, "\u0007", 3];
    expect(markup`<p title="${script}">${parts}${undefined}${markup`<b>${"<"}</b>`}</p>`.toString()).toBe(
      `<p title="&#34;&#39;&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#60;img src=x onerror=alert(2)&#62;">&#60;i&#62;&#34;&#39;&#38;&#96;\ufffd3<b>&#60;</b></p>`,
    );
  });
});
