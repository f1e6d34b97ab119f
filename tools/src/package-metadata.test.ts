import { expect, it } from "vitest";
import { metadataProblems, originOf, type Manifest, type Origin } from "./package-metadata.js";

const rootManifest: Origin = { repository: { type: "git", url: "git+https://example.org/someone/coordtok.git" } };
const manifest: Manifest = { name: "x", description: "X.", keywords: ["a", "b", "c"] };

it("a package says where it comes from as the root does, and nothing while the root does not", () => {
  expect(originOf(rootManifest, "packages/x")).toEqual({
    homepage: "https://example.org/someone/coordtok/tree/main/packages/x#readme",
    bugs: { url: "https://example.org/someone/coordtok/issues" },
    repository: { type: "git", url: "git+https://example.org/someone/coordtok.git", directory: "packages/x" },
  });
  expect(metadataProblems({}, { "packages/x": manifest })).toEqual([]);
  expect(
    metadataProblems(rootManifest, { "packages/x": { ...manifest, ...originOf(rootManifest, "packages/x") } }),
  ).toEqual([]);
});

it.each<[string, Origin, Manifest, RegExp]>([
  ["no origin where the root names one", rootManifest, manifest, /expected homepage .* run pnpm metadata/],
  ["an origin where the root names none", {}, { ...manifest, homepage: "https://example.org" }, /expected homepage/],
  ["too few keywords", {}, { ...manifest, keywords: ["a"] }, /three keywords or more/],
  ["no description", {}, { name: "x", keywords: ["a", "b", "c"] }, /expected a description/],
  [
    "an address that is none",
    { repository: { type: "git", url: "someone/coordtok" } },
    manifest,
    /got "someone\/coordtok"/,
  ],
])("%s is a problem", (_, from, given, message) => {
  expect(metadataProblems(from, { "packages/x": given }).join("\n")).toMatch(message);
});
