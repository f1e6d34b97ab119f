import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { FusedDescription } from "@coordtok/core/nn";
import { format, resolveConfig } from "prettier";
import { root } from "./check-command.js";

/** A file that is generated from the tables of fused operations of all packages. */
interface TableFile {
  readonly path: string;
  readonly text: string;
}

/** An operation with its shapes parsed. */
interface Operation {
  /** The name without `CoordTok`. */
  readonly name: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: "float32" | "int32";
    readonly optional: boolean;
  }[];
  readonly lists: readonly string[];
  readonly attributes: readonly { readonly name: string; readonly type: "int" | "float" | "bool" }[];
  readonly outputs: readonly { readonly name: string; readonly list: boolean; readonly where: readonly string[] }[];
  /** One line that describes inputs and outputs. */
  readonly summary: string;
}

const prefix = "CoordTok";
const madeFrom = 'Made from packages/*/src/**/fused-operations.ts by "pnpm kernels"; "pnpm check kernels" proves it.';

/** Compares the committed files with those generated from the tables; the result is empty when they are equal. */
export async function fusedTableProblems(): Promise<string> {
  const files = await tableFiles();
  const committed = await Promise.all(files.map(({ path }) => readFile(path, "utf8").catch(() => "")));
  const stale = files.filter(({ text }, i) => text !== committed[i]);
  return stale.map(({ path }) => `${path} differs from the tables of fused operations; run pnpm kernels.`).join("\n");
}

/** Writes the files and returns their paths. */
export async function writeFusedTableFiles(): Promise<string[]> {
  const files = await tableFiles();
  await Promise.all(files.map(({ path, text }) => writeFile(path, text)));
  return files.map(({ path }) => path);
}

async function tableFiles(): Promise<TableFile[]> {
  const operations = (await readTables()).map(([name, description]) => operationOf(name, description));
  const module = join(root, "packages/backend/src/fused/operation-table.ts");
  return [
    { path: join(root, "packages/backend/kernels/operation-table.h"), text: headerText(operations) },
    {
      path: module,
      text: await format(moduleText(operations), { ...(await resolveConfig(module)), filepath: module }),
    },
  ];
}

async function readTables(): Promise<[string, FusedDescription][]> {
  const packages = join(root, "packages");
  const files = readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => /(^|[\\/])fused-operations\.ts$/.test(file))
      .map((file) => join(packages, name, "src", file)),
  );
  const tables: [string, FusedDescription][] = [];
  for (const file of files.sort()) {
    const { fusedOperations } = (await import(pathToFileURL(file).href)) as {
      fusedOperations: Readonly<Record<string, FusedDescription>>;
    };
    for (const [name, description] of Object.entries(fusedOperations)) {
      if (tables.some(([other]) => other === name))
        throw new Error(`${relative(root, file)} declares ${name}, which another package also declares.`);
      tables.push([name, description]);
    }
  }
  return tables;
}

/** Parses a description. */
export function operationOf(name: string, { inputs, lists = [], attributes, outputs }: FusedDescription): Operation {
  const taken = Object.entries(inputs).map(([input, shape]) => ({
    name: input,
    dtype: shape.startsWith("int32 ") ? ("int32" as const) : ("float32" as const),
    optional: shape.endsWith("?"),
  }));
  const given = outputs.map((output) => ({
    name: output.name,
    list: "like" in output,
    where: "like" in output ? [] : (output.where ?? []),
  }));
  const operation = {
    name: name.slice(prefix.length),
    inputs: taken,
    lists,
    attributes: Object.entries(attributes).map(([attribute, type]) => ({ name: attribute, type })),
    outputs: given,
    summary: summaryOf(inputs, lists, outputs),
  };
  checkOperation(name, operation);
  return operation;
}

function checkOperation(name: string, { inputs, lists, attributes, outputs }: Operation): void {
  const problem = (text: string): never => {
    throw new Error(`The fused operation ${name} ${text}.`);
  };
  if (!/^CoordTok[A-Z]\w*$/.test(name)) problem(`is not named ${prefix} followed by a name`);
  const fields = [...inputs, ...attributes].map((field) => field.name);
  if (new Set(fields).size < fields.length) problem("has two inputs or attributes of the same name");
  const firstInteger = inputs.findIndex(({ dtype }) => dtype === "int32");
  if (firstInteger >= 0 && inputs.slice(firstInteger).some(({ dtype }) => dtype !== "int32"))
    problem("has float32 inputs after int32 ones");
  if (firstInteger >= 0 && lists.length > 0) problem("has both int32 inputs and lists");
  if (inputs.some(({ name: input }) => input.startsWith("list"))) problem("has an input whose name starts with list");
  if (inputs.length > 31) problem("has more inputs than bits");
  for (const { name: output, list, where } of outputs) {
    if (list && lists.length === 0) problem(`shapes ${output} like a list, but has no list`);
    for (const one of where)
      if (!fields.includes(one)) problem(`returns ${output} where ${one}, which it does not have`);
  }
}

function summaryOf(
  inputs: FusedDescription["inputs"],
  lists: readonly string[],
  outputs: FusedDescription["outputs"],
): string {
  const taken = [
    ...Object.entries(inputs).map(([name, shape]) => `${name} ${shape}`),
    ...lists.map((list) => `${list}…`),
  ];
  const given = outputs.map((output) => {
    if ("like" in output) return `${output.name}…`;
    return `${output.name} ${output.shape}${output.where === undefined ? "" : ` where ${output.where.join(" or ")}`}`;
  });
  return `${taken.join(", ")} → ${given.join(", ")}`;
}

function headerText(operations: readonly Operation[]): string {
  const rows = operations.map(
    ({ name, attributes }) =>
      `  X(${name}, (${[...attributes.map(parameterOf), "const View* inputs", "int count"].join(", ")}), {${attributes.map((one) => one.name).join(", ")}})`,
  );
  return `// ${madeFrom}
// Every operation as a structure of its inputs and attributes by name. Included by operations.h after view.h.
#pragma once

namespace coordtok {
namespace {

${operations.map(structOf).join("\n")}
}  // namespace
}  // namespace coordtok

// Of every operation its name, the parameters of a call, and the attributes among them.
#define COORDTOK_OPERATIONS(X) \\
${rows.join(" \\\n")}
`;
}

function parameterOf({ name, type }: Operation["attributes"][number]): string {
  return `${type} ${name}`;
}

function structOf({ name, inputs, lists, attributes, outputs, summary }: Operation): string {
  const visits = attributes.map((one) => `visit("${one.name}", ${one.name});`).join(" ");
  const fields = attributes.map((one) => `    ${parameterOf(one)};\n`).join("");
  const each = attributes.length === 0 ? "void each(const Visit&) {}" : `void each(const Visit& visit) { ${visits} }`;
  const members = [
    ...attributes.map((one) => `${one.name}(given.${one.name})`),
    ...inputs.map(({ name: input, optional }, i) => `${input}(${optional ? `views[${i}]` : `needed(views[${i}])`})`),
    ...(lists.length === 0 ? [] : [`listed(views + ${inputs.length})`, `listedCount(count - ${inputs.length})`]),
  ];
  const [given, views, count] = [
    attributes.length === 0 ? "const Attributes&" : "const Attributes& given",
    inputs.length + lists.length === 0 ? "const View*" : "const View* views",
    lists.length === 0 ? "int" : "int count",
  ];
  return `// ${summary}
struct ${name}Call {
  static constexpr const char* name = "${prefix}${name}";
  static constexpr int inputs = ${inputs.length}, lists = ${lists.length};
  struct Attributes {
${fields}    template <class Visit>
    ${each}
  };
  struct Out {
    enum : int { ${outputs.map((output) => output.name).join(", ")} };
  };
  ${name}Call(${given}, ${views}, ${count}) : ${members.join(", ")} {}
${attributes.map((one) => `  const ${parameterOf(one)};\n`).join("")}${inputs.length === 0 ? "" : `  const View ${inputs.map(({ name: input }) => `&${input}`).join(", ")};\n`}${lists.length === 0 ? "" : "  const View* const listed;  // the tensors of all lists, one list after the other\n  const int listedCount;\n"}};
`;
}

function moduleText(operations: readonly Operation[]): string {
  const table = Object.fromEntries(
    operations.map(({ name, inputs, lists, attributes, outputs }) => [
      prefix + name,
      { inputs, lists: lists.length, attributes, outputs },
    ]),
  );
  return `// ${madeFrom}
import type { Signature } from "./signature.js";

/** The signature of every fused operation that the libraries have, by name. */
export const operationTable: Readonly<Record<string, Signature>> = ${JSON.stringify(table)};
`;
}
