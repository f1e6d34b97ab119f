import type { TensorInfo } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { callOf } from "./call.js";
import { operationTable } from "./operation-table.js";
import type { Signature } from "./signature.js";

function signatureOf(name: string): Signature {
  return operationTable[name]!;
}

function tensor(dtype: TensorInfo["dtype"] = "float32"): TensorInfo {
  return { dataId: {}, shape: [1], dtype };
}

it("inputs and attributes are in the order of the table, with a gap for an absent optional input", () => {
  const [x, scale, shift, bias] = [tensor(), tensor(), tensor(), tensor()];
  const call = callOf("norm", signatureOf("CoordTokLayerNorm"), { bias, shift, scale, x }, { epsilon: 0.5 });
  expect(call.inputs).toEqual([x, scale, shift, undefined, bias]);
  call.inputs.forEach((input, i) => expect(input).toBe([x, scale, shift, undefined, bias][i]));
  expect(call.attributes).toEqual([{ name: "epsilon", type: "float", value: 0.5 }]);
});

it("an output is counted if the attribute or one of the inputs that it needs is present", () => {
  const attention = signatureOf("CoordTokSelfAttention");
  const outputs = (statistics: boolean): number =>
    callOf("attention", attention, { packed: tensor() }, { heads: 2, statistics }).outputs;
  expect([outputs(false), outputs(true)]).toEqual([1, 2]);
  const norm = { x: tensor(), scale: tensor(), shift: tensor() };
  const sums = [norm, { ...norm, addend: tensor() }, { ...norm, bias: tensor() }];
  expect(
    sums.map((inputs) => callOf("norm", signatureOf("CoordTokLayerNorm"), inputs, { epsilon: 1 }).outputs),
  ).toEqual([1, 2, 2]);
});

it("an operation over lists returns as many tensors for each output list", () => {
  const lists = Object.fromEntries([0, 1, 2, 3].flatMap((i) => [0, 1].map((j) => [`list${i}_${j}`, tensor()])));
  const call = callOf("adamw", signatureOf("CoordTokAdamW"), { settings: tensor(), ...lists });
  expect([call.inputs.length, call.listed.length, call.outputs]).toEqual([1, 8, 6]);
  expect(callOf("squares", signatureOf("CoordTokSumOfSquares"), { list0_0: tensor() }).outputs).toBe(1);
});

it("a missing input, another type and a missing attribute are refused by name", () => {
  const rows = signatureOf("CoordTokWeightedRowsGradient");
  const inputs = { dy: tensor(), weights: tensor(), cells: tensor("int32") };
  expect(callOf("rows", rows, inputs, { rows: 3 }).outputs).toBe(1);
  expect(() => callOf("rows", rows, { ...inputs, dy: undefined }, { rows: 3 })).toThrow("lacks the input dy");
  expect(() => callOf("rows", rows, { ...inputs, cells: tensor() }, { rows: 3 })).toThrow(
    "int32 as cells, not float32",
  );
  expect(() => callOf("rows", rows, inputs)).toThrow("takes int as rows, not undefined");
});
