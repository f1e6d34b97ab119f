import { CoordTokError } from "@coordtok/core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { ParityCase } from "../types.js";
import { formulaTensor } from "./formula.js";
import { withoutPrefix } from "./inputs.js";
import { readAll } from "./tokenizer.js";
import { expectWords, weightRuleOf, type WeightRule } from "./weight-rule.js";

/** VGG16: the slice, the index and the width of each convolution. */
// prettier-ignore
const vggConvolutions = [
  [1, 0, 64], [1, 2, 64], [2, 5, 128], [2, 7, 128], [3, 10, 256], [3, 12, 256], [3, 14, 256],
  [4, 17, 512], [4, 19, 512], [4, 21, 512], [5, 24, 512], [5, 26, 512], [5, 28, 512],
] as const;

/** The widths of the layers that LPIPS compares, one head each. */
const headWidths = [64, 128, 256, 512, 512] as const;

/**
 * The weights of the LPIPS network of a case by their names: those that it stores, and the others by its rule. The caller owns them.
 * @param prefix precedes the names of the stored ones.
 */
export async function lpipsWeights({ config, weights }: ParityCase, prefix = ""): Promise<Map<string, Tensor>> {
  const stored = withoutPrefix(weights, prefix);
  const divisor = config["channel_divisor"] as number | undefined;
  const shapes = new Map([...convolutionShapes(divisor ?? 1), ...headShapes(divisor ?? 1)]);
  const rule = weightRuleOf(config);
  const headsFollow = config["hash_lin"] === true;
  if (rule !== undefined && !headsFollow)
    expectWords(rule.text("lin"), "weight_rule.lin", "given in weights.safetensors");
  if (rule === undefined && headsFollow)
    throw new CoordTokError(
      "file-format",
      "Expected a weight_rule in the case, from which its heads follow (hash_lin).",
    );
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of shapes) {
    const facts = stored.entries.get(name);
    if (facts !== undefined && divisor !== undefined) checkShape(name, facts.shape, shape);
    if (facts === undefined && rule !== undefined && (headsFollow || !name.startsWith("lin")))
      tensors.set(name, byRule(rule, name, shape));
  }
  return new Map([...tensors, ...(await readAll(stored, stored.entries.keys()))]);
}

function* convolutionShapes(divisor: number): Iterable<[name: string, shape: readonly number[]]> {
  let inputs = 3;
  for (const [slice, index, full] of vggConvolutions) {
    const width = full / divisor;
    yield [`net.slice${slice}.${index}.weight`, [width, inputs, 3, 3]];
    yield [`net.slice${slice}.${index}.bias`, [width]];
    inputs = width;
  }
}

function headShapes(divisor: number): [name: string, shape: readonly number[]][] {
  return headWidths.map((width, i) => [`lin${i}.model.1.weight`, [1, width / divisor, 1, 1]]);
}

function byRule(rule: WeightRule, name: string, shape: readonly number[]): Tensor {
  const kind = name.startsWith("lin") ? "lin" : name.endsWith(".bias") ? "conv_bias" : "conv_weight";
  const channels = shape[1] ?? shape[0]!;
  const [low, high] = rule.range(kind, { in_channels: channels, channels, fan_in: channels * (shape[2] ?? 1) ** 2 });
  return formulaTensor(rule.prefix + name, shape, low, high);
}

function checkShape(name: string, found: readonly number[], wanted: readonly number[]): void {
  if (found.join() !== wanted.join())
    throw new CoordTokError(
      "shape",
      `Expected ${name} with the shape [${wanted.join(", ")}] of the channel_divisor of the case, got [${found.join(", ")}].`,
    );
}
