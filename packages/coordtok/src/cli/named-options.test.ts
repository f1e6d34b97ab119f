import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { flagsOf } from "./command.js";
import { commands } from "./commands/index.js";

const packages = join(import.meta.dirname, "../../..");

/** The commands through which people meet the errors of a folder or a file; the first row that fits counts. */
const raisedIn: readonly (readonly [path: string, commands: readonly string[]])[] = [
  ["backend/src/setup/", ["setup"]],
  ["coordtok/src/clip/lattice-settings.ts", ["reconstruct"]],
  ["coordtok/src/clip/source-clip.ts", ["reconstruct"]],
  ["coordtok/src/clip/", ["decode"]],
  ["coordtok/src/convert/", ["convert"]],
  ["coordtok/src/demo.ts", ["demo"]],
  ["coordtok/src/latents/", ["encode-dataset"]],
  ["coordtok/src/outputs.ts", ["decode"]],
  ["coordtok/src/sample/", ["sample"]],
  ["coordtok/src/train/train-on-latents.ts", ["train-diffusion"]],
  ["coordtok/src/train/train-on-videos.ts", ["train-tokenizer"]],
  ["coordtok/src/train/", ["train-diffusion", "train-tokenizer"]],
  ["core/src/node/write-file.ts", ["convert", "decode", "encode", "encode-dataset", "reconstruct", "sample"]],
  ["diffusion/src/", ["convert"]],
  ["evaluation/src/", ["evaluate"]],
  ["tokenizer/src/", ["convert"]],
  ["video/src/", ["decode", "sample"]],
];

/** What a computed name of an option can be, by file. */
const computed: Readonly<Record<string, readonly string[]>> = {
  "coordtok/src/clip/lattice-settings.ts": ["size", "content", "motion", "windowFrames"],
  "coordtok/src/clip/triplane-file.ts": ["checkpoint"],
};

interface Named {
  readonly file: string;
  readonly option: string;
}

function sourceFiles(): string[] {
  return readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .map((file) => join(packages, name, "src", file)),
  );
}

/** The options that the errors made in a file name. */
function optionsNamedIn(path: string): Named[] {
  const file = relative(packages, path);
  const found: Named[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) && node.expression.getText(source) === "CoordTokError")
      for (const option of optionsOf(node.arguments?.[2], file)) found.push({ file, option });
    ts.forEachChild(node, visit);
  };
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ESNext);
  visit(source);
  return found;

  function optionsOf(more: ts.Expression | undefined, where: string): readonly string[] {
    if (more === undefined || !ts.isObjectLiteralExpression(more)) return [];
    const options = more.properties.find((property) => property.name?.getText(source) === "options");
    if (options === undefined) return [];
    if (!ts.isPropertyAssignment(options) || !ts.isObjectLiteralExpression(options.initializer))
      throw new Error(`${where}: the options of an error are not written out where it is made.`);
    return options.initializer.properties.flatMap(({ name }) =>
      name === undefined || ts.isComputedPropertyName(name) ? (computed[where] ?? ["?"]) : [name.getText(source)],
    );
  }
}

describe("the options that errors name", () => {
  const named = sourceFiles().flatMap(optionsNamedIn);

  it("are found in the packages", () => {
    const options = new Set(named.map(({ option }) => option));
    expect([options.has("overwrite"), options.has("checkpoint"), options.size > 5]).toEqual([true, true, true]);
  });

  it("have a flag in every command through which people meet the error", () => {
    const missing = named.flatMap(({ file, option }) => {
      const where = raisedIn.find(([path]) => file.startsWith(path));
      if (where === undefined) return [`${option} of ${file}: no command`];
      return where[1].flatMap((name) => {
        const flags = Object.entries(flagsOf(commands.find((row) => row.name === name)!));
        return flags.some(([flag, row]) => (row.option ?? flag) === option) ? [] : [`${option} of ${file}: ${name}`];
      });
    });
    expect(missing).toEqual([]);
  });
});
