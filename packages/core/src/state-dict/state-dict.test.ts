import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { concat, reshape, tensor, transpose, type Tensor } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openSafetensors, type SafetensorsFile } from "../checkpoint/safetensors-read.js";
import { encodeSafetensors } from "../checkpoint/safetensors-write.js";
import { disposeTree, treeEntries, type TensorTree } from "../tree.js";
import { stateDictRows, type StateDictRow } from "./rows.js";
import { convolutionRules, linearRules, renameStrictly, type StateDictRule } from "./rules.js";
import { paramsFromStateDict, stateDictFromParams } from "./tensors.js";

describe("renameStrictly", () => {
  const rules: readonly StateDictRule[] = [
    ["embedding", "embed.weight"],
    ["blocks.{i}.up.kernel", "layers.{i}.mlp.fc1.weight", "transpose"],
    ["groups.{i}.blocks.{j}.bias", "g.{j}.{i}.bias"],
  ];

  it("names map there and back, with their indices", () => {
    const swapped = rules.map(([ours, theirs]): StateDictRule => [theirs, ours]);
    const index = fc.nat(1000);
    fc.assert(
      fc.property(index, index, (i, j) => {
        const ours = ["embedding", `blocks.${i}.up.kernel`, `groups.${i}.blocks.${j}.bias`];
        const renamed = [...renameStrictly(rules, ours).values()];
        const names = ["embed.weight", `layers.${i}.mlp.fc1.weight`, `g.${j}.${i}.bias`];
        expect(renamed.map(({ theirs }) => theirs)).toEqual(names);
        expect(renamed.map(({ layout }) => layout)).toEqual([undefined, "transpose", undefined]);
        expect([...renameStrictly(swapped, names).values()].map(({ theirs }) => theirs)).toEqual(ours);
      }),
    );
  });

  it("a dot is a dot, an index has no leading zeros, and nothing may follow", () => {
    for (const name of [
      "embeddingX",
      "blocks.01.up.kernel",
      "embedding.more",
      "blocks..up.kernel",
      "blocksX1.up.kernel",
    ])
      expect(() => renameStrictly(rules, [name])).toThrow(`1 tensors have names that no rule matches: ${name}.`);
  });

  it("ambiguous tables and clashing results are errors", () => {
    const twice: StateDictRule[] = [
      ["x", "a"],
      ["x", "b"],
    ];
    expect(() => renameStrictly(twice, ["x"])).toThrow('Two rules rename the tensor "x"');
    const same: StateDictRule[] = [
      ["x", "a"],
      ["y", "a"],
    ];
    expect(() => renameStrictly(same, ["x", "y"])).toThrow('Both "x" and "y" would be called "a"');
    const parts: StateDictRule[] = [
      ["x", "a", undefined, 1],
      ["y", "a", undefined, 1],
    ];
    expect(() => renameStrictly(parts, ["x", "y"])).toThrow('Both "x" and "y" would be called "a"');
  });
});

const rules: readonly StateDictRule[] = [
  ...linearRules("head", "lin"),
  ...convolutionRules("patch", "proj"),
  ["positions", "pos", "flat"],
  ["attention.query", "in_proj", "transpose", 0],
  ["attention.keyValue", "in_proj", "transpose", 1],
];
const shapes = new Map([
  ["positions", [5, 3]],
  ["attention.keyValue", [3, 6]],
  ["attention.query", [3, 3]],
  ["head.kernel", [3, 4]],
  ["head.bias", [4]],
  ["patch.kernel", [12, 3]],
  ["patch.bias", [3]],
]);

/** Two channels and kernels of 1x2x3 pixels. */
function rowsOf(): StateDictRow[] {
  return stateDictRows(rules, shapes, (_, ourShape, layout) =>
    layout === "convolution" ? [ourShape[1]!, 2, 1, 2, 3] : [1, ...ourShape],
  );
}

function numbered(shape: readonly number[], first: number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return tensor(
    Float32Array.from({ length: count }, (_, i) => first + i),
    [...shape],
  );
}

async function fileOf(tensors: ReadonlyMap<string, Tensor>): Promise<SafetensorsFile> {
  const parts: BlobPart[] = [];
  const named = Array.from(tensors, ([name, one]) => ({ name, tensor: one }));
  for await (const piece of encodeSafetensors(named)) parts.push(piece.slice());
  return openSafetensors(new Blob(parts));
}

describeEachBackend("state dicts", () => {
  const theirs = (): Map<string, Tensor> =>
    new Map([
      ["lin.weight", numbered([4, 3], 100)],
      ["lin.bias", numbered([4], 200)],
      ["proj.weight", numbered([3, 2, 1, 2, 3], 300)],
      ["proj.bias", numbered([3], 400)],
      ["pos", numbered([1, 5, 3], 500)],
      ["in_proj", numbered([9, 3], 600)],
    ]);

  it("the numbers land where transposing, reshaping and cutting by operations of the backend put them", async () => {
    const stateDict = theirs();
    const found = new Map(treeEntries(await paramsFromStateDict(rowsOf(), await fileOf(stateDict))));
    expect([...found].map(([path, { shape }]) => [path, shape])).toEqual(
      expect.arrayContaining([...shapes].map(([path, shape]) => [path, shape])),
    );
    const of = (name: string): Tensor => stateDict.get(name)!;
    const kernels = transpose(reshape(of("proj.weight"), [3, 2, 6]), [2, 1, 0]);
    const expected: [string, Tensor][] = [
      ["head.kernel", transpose(of("lin.weight"))],
      ["head.bias", of("lin.bias")],
      ["patch.kernel", reshape(kernels, [12, 3])],
      ["patch.bias", of("proj.bias")],
      ["positions", reshape(of("pos"), [5, 3])],
    ];
    for (const [path, values] of expected) expect(await found.get(path)!.data(), path).toEqual(await values.data());
    const stacked = concat([found.get("attention.query")!, found.get("attention.keyValue")!], 1);
    expect(await transpose(stacked).data()).toEqual(await of("in_proj").data());
  });

  it("parameters become the state dict they came from, and nothing stays behind", async () => {
    await expectNoLeak(async () => {
      const stateDict = theirs();
      const params = await paramsFromStateDict(rowsOf(), await fileOf(stateDict));
      const back = await stateDictFromParams(rowsOf(), params);
      expect([...back.keys()].sort()).toEqual([...stateDict.keys()].sort());
      for (const [name, one] of stateDict) {
        expect(back.get(name)!.shape).toEqual(one.shape);
        expect(await back.get(name)!.data(), name).toEqual(await one.data());
      }
      disposeTree([params, ...stateDict.values(), ...back.values()]);
    });
  });

  it("a state dict that lacks a tensor, has one more or another shape is refused by name, and nothing is read", async () => {
    await expectNoLeak(async () => {
      const stateDict = theirs();
      const other = new Map<string, Tensor>([
        ...stateDict,
        ["extra", numbered([1], 0)],
        ["in_proj", numbered([6, 3], 0)],
      ]);
      other.delete("pos");
      await expect(paramsFromStateDict(rowsOf(), await fileOf(other))).rejects.toThrow(
        "The tensors in the data do not fit this model, nothing was loaded: 1 missing (pos); 1 unexpected (extra); " +
          "1 of the wrong shape or type (in_proj (expected [9, 3], got [6, 3])).",
      );
      disposeTree([...new Set([...stateDict.values(), ...other.values()])]);
    });
  });

  it("tensors beside those of the rows are allowed where they are named, and stopping half-way frees what was read", async () => {
    await expectNoLeak(async () => {
      const stateDict = theirs().set("fixed", numbered([2], 0));
      const file = await fileOf(stateDict);
      const stop = new AbortController();
      const others = new Map([["fixed", [2]]]);
      disposeTree(await paramsFromStateDict(rowsOf(), file, { others }));
      const stopped = paramsFromStateDict(rowsOf(), file, {
        others,
        signal: stop.signal,
        onProgress: ({ done }) => {
          if (done === 3) stop.abort();
        },
      });
      await expect(stopped).rejects.toMatchObject({ code: "aborted" });
      disposeTree([...stateDict.values()]);
    });
  });

  it("parameters that lack a tensor are refused by name", async () => {
    const params: TensorTree = { positions: numbered([5, 3], 0) };
    await expect(stateDictFromParams(rowsOf(), params)).rejects.toThrow(
      'The parameter "attention.keyValue" is missing.',
    );
    disposeTree(params);
  });
});
