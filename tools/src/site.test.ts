import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildSite, deadLinks, importName } from "./site.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-site-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it("a module is named as programs import it", () => {
  expect(
    ["backend/src", "backend/src/setup", "coordtok/src", "packages/core/src/nn/index", "else"].map(importName),
  ).toEqual(["@coordtok/backend", "@coordtok/backend/setup", "coordtok", "@coordtok/core/nn", undefined]);
});

it("links to pages, headings and files that are not there are found, and no others", () => {
  mkdirSync(join(folder, "a"));
  writeFileSync(
    join(folder, "index.html"),
    '<h1 id="top"></h1><a href="a/b.html#x">1</a><a href="#top">2</a><a href="https://example.org/">3</a>',
  );
  writeFileSync(
    join(folder, "a/b.html"),
    '<p id="y"></p><a href="../index.html#top">1</a><a class="z" href="gone.html">2</a><a href="../../out.html">3</a>',
  );
  expect(deadLinks(folder)).toEqual([
    'a/b.html leads to "gone.html", which is not there.',
    'a/b.html leads to "../../out.html", which is not there.',
    'index.html leads to "a/b.html#x", which has no such heading.',
  ]);
});

it("a folder that holds anything else is not replaced", async () => {
  await expect(buildSite(folder)).rejects.toThrow("holds something that is no site of ours");
});
