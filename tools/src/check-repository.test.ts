import { describe, expect, it } from "vitest";
import {
  linkProblems,
  lockfileProblems,
  machinePathProblems,
  registryHostProblems,
  sizeProblems,
  trackedFiles,
  type TrackedFile,
} from "./check-repository.js";

// Put together here, so that this file passes the checks it tests.
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
    "%s is none",
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

  it("an object named registry is none", () => {
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
  const files = [file("", "docs/a.md"), file("", "docs/decisions/1.md")];

  it("to files, folders, places within a file and other sites are well", () => {
    const text = "[a](a.md#x) [d](decisions) [d](decisions/) [up](../docs/a.md) [s](https://example.org/q) [h](#here)";
    expect(linkProblems([...files, file(text, "docs/b.md")])).toEqual([]);
  });

  it("to nothing is named, in a comment too", () => {
    const documents = ["docs", "none.md"].join("/");
    const found = linkProblems([...files, file("[a](no.md)", "docs/b.md"), file(`// ${documents}`, "src/a.ts")]);
    expect(found).toHaveLength(2);
  });
});

describe("the size", () => {
  it("many files that are too large together are named", () => {
    const files = Array.from({ length: 6 }, (_, i) => ({ path: `f${i}`, bytes: 7 * 2 ** 20, text: undefined }));
    expect(sizeProblems(files)[0]).toContain("42.0 MiB");
  });

  it("one large file is named", () => {
    expect(sizeProblems([{ path: "big", bytes: 9 * 2 ** 20, text: undefined }])).toHaveLength(1);
  });
});

it("the tracked files of this repository are found, texts apart from binary files", async () => {
  const files = await trackedFiles();
  expect(files.find(({ path }) => path === "package.json")?.text).toContain("coordtok-monorepo");
});
