import type { FusedDescription } from "@coordtok/core/nn";
import { expect, it } from "vitest";
import { fusedTableProblems, operationOf } from "./fused-table.js";

it("the committed header and module equal those generated from the tables of all packages", async () => {
  expect(await fusedTableProblems()).toBe("");
});

it("a description is parsed into inputs, attributes and outputs, and summarised in one line", () => {
  const operation = operationOf("CoordTokBoth", {
    inputs: { x: "[..., E]", bias: "[E]?", cells: "int32 [P]" },
    attributes: { rows: "int" },
    outputs: [{ name: "sum", shape: "[E]", where: ["bias"] }],
  });
  expect(operation).toEqual({
    name: "Both",
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
      { name: "cells", dtype: "int32", optional: false },
    ],
    lists: [],
    attributes: [{ name: "rows", type: "int" }],
    outputs: [{ name: "sum", list: false, where: ["bias"] }],
    summary: "x [..., E], bias [E]?, cells int32 [P] → sum [E] where bias",
  });
});

it("a description that the hosts could not call is refused with one sentence", () => {
  const good: FusedDescription = {
    inputs: { x: "[N]" },
    attributes: { rows: "int" },
    outputs: [{ name: "out", shape: "[N]" }],
  };
  const wrong: [string, Partial<FusedDescription>, RegExp][] = [
    ["Both", {}, /is not named CoordTok/],
    ["CoordTokBoth", { attributes: { x: "int" } }, /of the same name/],
    ["CoordTokBoth", { inputs: { cells: "int32 [N]", x: "[N]" } }, /float32 inputs after int32/],
    ["CoordTokBoth", { inputs: { cells: "int32 [N]" }, lists: ["a"] }, /both int32 inputs and lists/],
    ["CoordTokBoth", { inputs: { listed: "[N]" } }, /starts with list/],
    ["CoordTokBoth", { outputs: [{ name: "out", like: "a" }] }, /like a list, but has no list/],
    ["CoordTokBoth", { outputs: [{ name: "out", shape: "[N]", where: ["y"] }] }, /does not have/],
  ];
  expect(operationOf("CoordTokBoth", good).name).toBe("Both");
  for (const [name, change, message] of wrong) expect(() => operationOf(name, { ...good, ...change })).toThrow(message);
});
