import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findTfjsNode } from "./tfjs-node.js";

it("tfjs-node-gpu is found from a file as Node does, and by default not from the current folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "coordtok-tfjs-node-"));
  const directory = join(folder, "node_modules/@tensorflow/tfjs-node-gpu");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "package.json"), JSON.stringify({ version: "0.0.1", main: "index.js" }));
  const before = process.cwd();
  process.chdir(folder);
  try {
    expect(findTfjsNode(join(folder, "a.js"))).toMatchObject({ version: "0.0.1" });
    expect(findTfjsNode()?.version).toBe("4.22.0");
    // The current folder is not tried, even if the package is not beside the file.
    expect(findTfjsNode(join(tmpdir(), "elsewhere", "a.js"))?.version).not.toBe("0.0.1");
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  }
});
