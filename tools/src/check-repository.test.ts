import { describe, expect, it } from "vitest";
import {
  linkProblems,
  lockfileProblems,
  machinePathProblems,
  outsideDocumentProblems,
  registryHostProblems,
  sizeProblems,
  trackedFiles,
  type TrackedFile,
} from "./check-repository.js";

// The texts are assembled here, so that this file passes the checks that it tests.
const slash = "/";
const home = `${slash}home${slash}ada`;
const registry = ["registry", "example", "org"].join(".");

const file = (text: string, path = "a.md"): TrackedFile => ({ path, bytes: text.length, text });

describe("machine paths", () => {
  it.each([home, `${slash}work${slash}main`, `cd ${slash}root`, `"${slash}Users${slash}ada"`])(
    "%s is found",
    (path) => {
      expect(machinePathProblems([file(`first line\nsee ${path} there`)])).toHaveLength(1);
    },
  );

  it.each(["packages/home/x", "../work/x", "https://example.org/home/x", "${root}/work/x", "src/root.ts"])(
    "%s is not one",
    (path) => {
      expect(machinePathProblems([file(path)])).toEqual([]);
    },
  );
});

describe("registry hosts", () => {
  it("a host is found with file and line", () => {
    expect(registryHostProblems([file(`x\nhttps://${registry}/x`)])).toEqual([
      `a.md:2 names a package registry: ${registry}`,
    ]);
  });

  it("an object named registry is not one", () => {
    expect(registryHostProblems([file("registry.get(name)")])).toEqual([]);
  });
});

describe("the lock file", () => {
  it("an address in it is found", () => {
    expect(lockfileProblems([file("a: {tarball: https://x/y.tgz}", "pnpm-lock.yaml")])).toHaveLength(1);
  });

  it("a second lock file is found", () => {
    const lock = file("a: 1", "pnpm-lock.yaml");
    expect(lockfileProblems([lock, file("{}", "packages/core/package-lock.json")])).toHaveLength(1);
  });
});

describe("links", () => {
  const files = [file("# Top\n## Some place\n", "docs/a.md"), file("", "docs/decisions/1.md")];
  const problems = (text: string, path = "docs/b.md"): string[] => linkProblems([...files, file(text, path)]);

  it("to files, folders, headings and other sites are accepted", () => {
    const text =
      "# Here\n[a](a.md#some-place) [d](decisions) [d](decisions/) [up](../docs/a.md) [s](https://example.org/q#x) [h](#here)";
    expect(problems(text)).toEqual([]);
  });

  it("to nothing is reported, even in a comment", () => {
    expect(problems("[a](no.md)")).toEqual(["docs/b.md refers to docs/no.md, which does not exist."]);
    expect(problems("// see docs/none.md", "src/a.ts")).toEqual([
      "src/a.ts refers to docs/none.md, which does not exist.",
    ]);
  });

  it("to a heading that does not exist are reported: in links, within the document, in code and in text", () => {
    const nowhere = (path: string, target: string): string[] => [
      `${path} refers to ${target}, but there is no such heading.`,
    ];
    expect(problems("[a](a.md#other-place)")).toEqual(nowhere("docs/b.md", "docs/a.md#other-place"));
    expect(problems("# Here\n[h](#there)")).toEqual(nowhere("docs/b.md", "docs/b.md#there"));
    expect(problems("`docs/a.md#other-place`")).toEqual(nowhere("docs/b.md", "docs/a.md#other-place"));
    expect(problems("/** As in docs/a.md#other-place. */", "src/a.ts")).toEqual(
      nowhere("src/a.ts", "docs/a.md#other-place"),
    );
  });

  it("to a heading that exists are accepted in code, whatever follows them", () => {
    expect(problems("/** (docs/a.md#some-place), `docs/a.md#top`; docs/a.md#some-place. */", "src/a.ts")).toEqual([]);
  });

  it.each([
    ["## 8-bit values", "8-bit-values"],
    ["### `lookup` of *one* plane (B = 1)", "lookup-of-one-plane-b--1"],
    ["## The [flow](flow.md) of a video ##", "the-flow-of-a-video"],
    ["## Fréchet distance", "fréchet-distance"],
    ["## Twice\n## Twice", "twice-1"],
  ])("%s has the same anchor as on GitHub", (heading, anchor) => {
    const flow = file("", "docs/flow.md");
    expect(linkProblems([flow, file(`${heading}\n[here](#${anchor})`, "docs/b.md")])).toEqual([]);
  });

  it("to a line of a fenced block is not a link to a heading", () => {
    expect(problems("```sh\n# install\n```\n[h](#install)")).toHaveLength(1);
  });
});

describe("a document outside the repository", () => {
  const readme = "README";

  it.each([`fixture ${readme} 5.2`, `Fixtures ${readme}`, `shared/fixtures/${readme}.md`, `the fixture\n * ${readme}`])(
    "%j is reported with its line",
    (text) => {
      expect(outsideDocumentProblems([file(`first line\n${text}`, "src/a.ts")])).toEqual([
        "src/a.ts:2 refers to a document outside the repository; name docs/spec.md and the anchor of a heading.",
      ]);
    },
  );

  it("is neither the README of a package nor a fixture", () => {
    expect(outsideDocumentProblems([file(`The fixtures. ${readme} of packages/core`)])).toEqual([]);
  });
});

describe("the size", () => {
  it("files that are too large together are reported", () => {
    const files = Array.from({ length: 6 }, (_, i) => ({ path: `f${i}`, bytes: 11 * 2 ** 20, text: undefined }));
    expect(sizeProblems(files)[0]).toContain("66.0 MiB");
  });

  it("one large file is reported", () => {
    expect(sizeProblems([{ path: "big", bytes: 17 * 2 ** 20, text: undefined }])).toHaveLength(1);
  });
});

it("the tracked files of this repository are found, and text files are told from binary files", async () => {
  const files = await trackedFiles();
  expect(files.find(({ path }) => path === "package.json")?.text).toContain("coordtok-monorepo");
});
