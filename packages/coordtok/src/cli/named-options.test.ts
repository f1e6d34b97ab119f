import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { flagsOf } from "./command.js";
import { commands } from "./commands/index.js";

const packages = join(import.meta.dirname, "../../..");

/** The commands in which users meet the errors of a folder or file; the first matching row counts. */
const raisedIn: readonly (readonly [path: string, commands: readonly string[]])[] = [
  ["backend/src/setup/", ["setup"]],
  ["coordtok/src/clip/lattice-settings.ts", ["encode", "encode-dataset", "reconstruct"]],
  ["bitstream/src/priors.ts", []],
  ["bitstream/src/", ["encode", "convert"]],
  ["coordtok/src/clip/coded-file.ts", ["encode"]],
  ["coordtok/src/clip/source-clip.ts", ["reconstruct"]],
  ["coordtok/src/clip/encode-video.ts", ["encode"]],
  ["coordtok/src/clip/", ["decode"]],
  ["coordtok/src/convert/", ["convert"]],
  ["coordtok/src/film/decode-film.ts", ["decode"]],
  ["coordtok/src/film/code-stream.ts", ["encode"]],
  ["coordtok/src/film/film-target.ts", ["encode"]],
  ["coordtok/src/film/", ["encode", "reconstruct"]],
  ["coordtok/src/models/find-model.ts", ["decode"]],
  ["coordtok/src/models/model-errors.ts", ["models"]],
  ["coordtok/src/models/", ["pull"]],
  ["coordtok/src/train/training-videos.ts", ["train-tokenizer"]],
  ["coordtok/src/train/train-on-latents.ts", ["train-diffusion"]],
  ["coordtok/src/train/train-on-videos.ts", ["train-tokenizer"]],
  ["coordtok/src/train/training-sources.ts", ["train-tokenizer"]],
  ["coordtok/src/train/lattice-plan.ts", ["train-tokenizer"]],
  ["coordtok/src/train/train-demo.ts", ["demo"]],
  ["coordtok/src/starter-demo.ts", ["demo"]],
  ["coordtok/src/latents/", ["encode-dataset"]],
  ["coordtok/src/outputs/", ["decode"]],
  ["coordtok/src/sample/", ["sample"]],
  ["coordtok/src/setup/", ["setup"]],
  ["coordtok/src/view/", ["view"]],
  ["coordtok/src/train/generator-plan.ts", ["train-diffusion"]],
  ["coordtok/src/train/tokenizer-plan.ts", ["train-tokenizer"]],
  ["coordtok/src/train/", ["train-diffusion", "train-tokenizer"]],
  [
    "core/src/node/own-folder.ts",
    ["demo", "encode-dataset", "evaluate", "reconstruct", "train-diffusion", "train-tokenizer"],
  ],
  ["core/src/node/lock.ts", ["encode-dataset", "evaluate", "train-diffusion", "train-tokenizer"]],
  ["core/src/node/write-file.ts", ["convert", "decode", "encode", "encode-dataset", "reconstruct", "sample"]],
  ["core/src/train/", ["train-diffusion", "train-tokenizer"]],
  ["diffusion/src/", ["convert"]],
  ["evaluation/src/", ["evaluate"]],
  ["tokenizer/src/", ["convert"]],
  [
    "video/src/node/input-file.ts",
    ["demo", "encode", "encode-dataset", "evaluate", "info", "reconstruct", "train-tokenizer"],
  ],
  ["video/src/node/windows/", ["train-tokenizer"]],
  ["video/src/", ["decode", "sample"]],
];

/** The possible values of a computed option name, by file. */
const computed: Readonly<Record<string, readonly string[]>> = {
  "coordtok/src/clip/lattice-settings.ts": ["size", "content", "motion", "windowFrames"],
  "coordtok/src/clip/encode-video.ts": ["targetPsnrDb", "maxBytesPerSecond", "quality", "overlap"],
  "coordtok/src/clip/coded-file.ts": ["dtype", "embedDecoder", "step", "quality"],
  "coordtok/src/convert/convert.ts": ["step", "quality"],
  "coordtok/src/convert/film.ts": [
    "weights",
    "part",
    "config",
    "statistics",
    "heads",
    "encoderHeads",
    "decoderHeads",
    "step",
    "quality",
  ],
  "coordtok/src/clip/triplane-file.ts": ["checkpoint"],
  "evaluation/src/evaluate-reconstruction.ts": ["windowFrames", "content", "motion"],
  "evaluation/src/segment-coder.ts": ["size", "windowFrames", "content", "motion"],
  "coordtok/src/models/find-model.ts": ["checkpoint"],
  "coordtok/src/train/generator-plan.ts": ["batchSize", "accumulate"],
  "coordtok/src/train/lattice-plan.ts": [
    "lpips",
    "weights",
    "workers",
    "frameCacheBytes",
    "pointsPerClip",
    "stage",
    "perceptualScale",
  ],
  "coordtok/src/train/tokenizer-plan.ts": ["pictures", "size", "windowFrames", "pictureShare"],
  "coordtok/src/convert/plan.ts": ["weights", "dtype", "part", "config", "statistics"],
  "tokenizer/src/official/infer.ts": ["encoderHeads", "decoderHeads"],
};

interface Named {
  readonly file: string;
  readonly option: string;
}

function sourceFiles(): ts.SourceFile[] {
  return readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .map((file) => join(packages, name, "src", file))
      .map((path) => ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ESNext, true)),
  );
}

/** The options named by the errors that a file creates. */
function optionsNamedIn(source: ts.SourceFile): Named[] {
  const file = relative(packages, source.fileName);
  const namesOf = (options: ts.ObjectLiteralExpression): readonly string[] =>
    options.properties.flatMap(({ name }) =>
      name === undefined || ts.isComputedPropertyName(name) ? (computed[file] ?? ["?"]) : [name.getText()],
    );
  return errorsMadeIn(source).flatMap((error) => {
    const options = givenAs("options", error);
    if (options === undefined) return [];
    // A helper that creates errors passes its parameter on, so its callers name the options.
    const written = ts.isObjectLiteralExpression(options) ? [options] : literalsGivenTo(helperOf(error), source);
    return written.flatMap(namesOf).map((option) => ({ file, option }));
  });
}

function errorsMadeIn(source: ts.SourceFile): ts.NewExpression[] {
  return nodesOf(source).filter(
    (node): node is ts.NewExpression => ts.isNewExpression(node) && node.expression.getText() === "CoordTokError",
  );
}

/** The initializer of a constant of the file. */
function writtenOut(value: ts.Expression): ts.Expression {
  if (!ts.isIdentifier(value)) return value;
  const constants = nodesOf(value.getSourceFile()).filter(ts.isVariableDeclaration);
  return constants.find(({ name }) => name.getText() === value.text)?.initializer ?? value;
}

/** The value of a property that an error is given beside its code and its sentence. */
function givenAs(wanted: "options" | "remedy", { arguments: given }: ts.NewExpression): ts.Expression | undefined {
  const more = given?.[2] && writtenOut(given[2]);
  if (more === undefined) return undefined;
  // An error that a thread has sent names what it named where it was created.
  if (ts.isIdentifier(more)) return undefined;
  if (!ts.isObjectLiteralExpression(more)) throw new Error(`${more.getSourceFile().fileName}: ${more.getText()}`);
  const property = more.properties.find(({ name }) => name?.getText() === wanted);
  if (property === undefined) return undefined;
  return ts.isPropertyAssignment(property) ? property.initializer : (property.name as ts.Identifier);
}

/** The name of the arrow function that creates an error. */
function helperOf(error: ts.Node): string {
  const helper = ts.findAncestor(error, ts.isVariableDeclaration);
  if (helper === undefined)
    throw new Error(`${error.getSourceFile().fileName}: an error's options are not written out.`);
  return helper.name.getText();
}

function literalsGivenTo(name: string, source: ts.SourceFile): ts.ObjectLiteralExpression[] {
  return nodesOf(source)
    .filter(ts.isCallExpression)
    .filter(({ expression }) => expression.getText() === name)
    .flatMap((call) => call.arguments.filter(ts.isObjectLiteralExpression));
}

function nodesOf(node: ts.Node): ts.Node[] {
  const found: ts.Node[] = [node];
  ts.forEachChild(node, (child) => void found.push(...nodesOf(child)));
  return found;
}

const sources = sourceFiles();

describe("the options that errors name", () => {
  const named = sources.flatMap(optionsNamedIn);

  it("are found in the packages", () => {
    const options = new Set(named.map(({ option }) => option));
    expect([options.has("overwrite"), options.has("checkpoint"), options.has("wheel")]).toEqual([true, true, true]);
  });

  it("have a flag in every command in which users meet the error", () => {
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

describe("the functions that errors advise calling", () => {
  it("each have one command", () => {
    const remedies = sources
      .flatMap(errorsMadeIn)
      .flatMap((error) => givenAs("remedy", error) ?? [])
      .map((remedy) => (remedy as ts.ArrayLiteralExpression).elements[0]!)
      .flatMap((name) => (ts.isStringLiteral(name) ? [name.text] : ["trainOnVideos", "trainOnLatents"]));
    expect(remedies.length).toBeGreaterThan(2);
    for (const text of remedies)
      expect([text, commands.filter(({ calls }) => calls === text).length]).toEqual([text, 1]);
  });
});
