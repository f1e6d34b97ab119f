import { expect, it } from "vitest";
import { uniformRange, weightRuleOf } from "./weight-rule.js";

it("a range in words is computed from the sizes of the tensor", () => {
  expect(uniformRange("uniform(-0.05, 0.15)", "conv_bias", {})).toEqual([-0.05, 0.15]);
  expect(uniformRange("uniform(0, 2/in_channels)", "lin", { in_channels: 8 })).toEqual([0, 0.25]);
  expect(uniformRange("uniform(0, sqrt(1/in_channels))", "lin", { in_channels: 4 })).toEqual([0, 0.5]);
  const k = Math.sqrt(6 / (3 * 9));
  expect(uniformRange("uniform(-k, k), k = sqrt(6/(in_channels*9))", "conv_weight", { in_channels: 3 })).toEqual([
    -k,
    k,
  ]);
  const rule = "uniform(-k, k), k = sqrt(6/fan_in), fan_in = in*kt*kh*kw (also logits.conv3d.weight)";
  const bound = Math.sqrt(6 / 294);
  expect(uniformRange(rule, "conv_weight", { in: 2, kt: 3, kh: 7, kw: 7 })).toEqual([-bound, bound]);
});

it("a rule that says something else is refused", () => {
  expect(() => uniformRange("given in weights.safetensors", "lin", {})).toThrow(
    'Expected a rule such as "uniform(0, 1)" as weight_rule.lin of the case, got given in weights.safetensors.',
  );
  expect(() => uniformRange("uniform(0, k)", "lin", {})).toThrow("does not say what k is");
  expect(() => weightRuleOf({ hash_prefix: "a/", weight_rule: { doc: "normal" } })).toThrow("lowbias32");
});
