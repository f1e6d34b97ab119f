import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root, runTool } from "./check-command.js";

interface Report {
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
  };
}

const packageNames = ["core", "triplane", "tokenizer", "video", "backend"];

/** Files that break a rule, and files that do not, each with the import in it. */
const files: Readonly<Record<string, string>> = {
  "packages/core/src/index.ts": "export const core = 1;",
  "packages/triplane/src/index.ts": "export const triplane = 1;",
  "packages/video/src/index.ts": "export const video = 1;",
  "packages/video/src/node/index.ts": 'import "node:fs"; export const node = 1;',
  "packages/tokenizer/src/down.ts": 'import "@coordtok/triplane"; import "@coordtok/core";',
  "packages/tokenizer/src/sideways.ts": 'import "@coordtok/video";',
  "packages/tokenizer/src/sideways.test.ts": 'import "@coordtok/video"; import "vitest";',
  "packages/core/src/up.ts": 'import "@coordtok/triplane";',
  "packages/core/src/around.ts": 'import "../../triplane/src/index.js";',
  "packages/core/src/built-in.ts": 'import "node:fs";',
  "packages/core/src/late-built-in.ts": 'export const fs = import("fs");',
  "packages/core/src/unknown.ts": 'import "not-installed";',
  "packages/core/src/for-tests-only.ts": 'import "vitest";',
  "packages/core/src/cycle-a.ts": 'import { b } from "./cycle-b.js"; export const a: number = b;',
  "packages/core/src/cycle-b.ts": 'import { a } from "./cycle-a.js"; export const b: number = a;',
  "packages/video/src/detour.ts": 'import "./node/index.js";',
  "packages/backend/src/setup/index.ts": 'import "node:fs";',
};

describe("the layering rules", () => {
  const folder = mkdtempSync(join(tmpdir(), "coordtok-layering-"));
  const broken = new Map<string, string[]>();

  beforeAll(async () => {
    for (const name of [".dependency-cruiser.cjs", "tsconfig.json", "tsconfig.base.json"])
      copyFileSync(join(root, name), join(folder, name));
    symlinkSync(join(root, "node_modules/typescript"), link("typescript"));
    for (const name of packageNames) writePackage(name);
    for (const [path, text] of Object.entries(files)) write(path, text);
    const { output } = await runTool(
      "depcruise",
      ["--config", ".dependency-cruiser.cjs", "--output-type", "json", "packages"],
      { cwd: folder },
    );
    for (const { from, rule } of (JSON.parse(output) as Report).summary.violations)
      broken.set(from, [...(broken.get(from) ?? []), rule.name].sort());
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }

  /** Links a package into a new `node_modules`: any package of the workspace, or vitest. */
  function link(name: string): string {
    const path = join(folder, "node_modules", name);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  }

  function writePackage(name: string): void {
    const exports = { ".": { "@coordtok/source": "./src/index.ts" } };
    const dependencies = Object.fromEntries(packageNames.map((other) => [`@coordtok/${other}`, "1.0.0"]));
    const manifest = { name: `@coordtok/${name}`, exports, dependencies, devDependencies: { vitest: "1.0.0" } };
    write(`packages/${name}/package.json`, JSON.stringify(manifest));
    symlinkSync(join(folder, "packages", name), link(`@coordtok/${name}`));
    if (name === "core") symlinkSync(join(root, "node_modules/vitest"), link("vitest"));
  }

  it.each([
    ["an import from above", "core/src/up.ts", "core-imports-no-package"],
    ["an import of a sibling", "tokenizer/src/sideways.ts", "tokenizer-imports-core-and-triplane"],
    ["an import of a sibling in a test", "tokenizer/src/sideways.test.ts", "tests-of-tokenizer"],
    ["a path into another package", "core/src/around.ts", "packages-through-their-front-door"],
    ["a Node built-in", "core/src/built-in.ts", "only-node-folders-import-node"],
    ["a Node built-in in a dynamic import", "core/src/late-built-in.ts", "only-node-folders-import-node"],
    ["an indirect import of a Node built-in", "video/src/detour.ts", "browser-safe-code-stays-out-of-node-folders"],
    ["a package that is not installed", "core/src/unknown.ts", "resolvable"],
    ["a development dependency", "core/src/for-tests-only.ts", "declared"],
    ["a cycle", "core/src/cycle-a.ts", "no-cycles"],
  ])("%s is found", (_, path, rule) => {
    expect(broken.get(`packages/${path}`)).toContain(rule);
  });

  it.each(["tokenizer/src/down.ts", "video/src/node/index.ts", "backend/src/setup/index.ts"])(
    "%s is accepted",
    (path) => {
      expect(broken.get(`packages/${path}`)).toBeUndefined();
    },
  );
});
