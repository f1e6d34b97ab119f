import { reshape, tidy, transpose, type Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { formatShape } from "../shape.js";
import type { ExpectedShapes } from "./assign.js";
import type { RenameRule } from "./renames.js";

/**
 * How the numbers of a tensor of a PyTorch state dict are laid out against ours. `transpose`: a Linear weight `[out, in]`.
 * `convolution`: `[out, channels, …kernel]` against `[kernel * channels, out]`. `flat`: the same numbers in another shape.
 */
export type StateDictLayout = "transpose" | "convolution" | "flat";

/** A row of a table of names that says how the numbers lie, ours first. */
export type StateDictRule = RenameRule<StateDictLayout>;

/** The rows of a linear layer, `nn.Linear` there. */
export function linearRules(ours: string, theirs: string): StateDictRule[] {
  return [
    [`${ours}.kernel`, `${theirs}.weight`, "transpose"],
    [`${ours}.bias`, `${theirs}.bias`],
  ];
}

/** The rows of a convolution over patches. */
export function convolutionRules(ours: string, theirs: string): StateDictRule[] {
  return [
    [`${ours}.kernel`, `${theirs}.weight`, "convolution"],
    [`${ours}.bias`, `${theirs}.bias`],
  ];
}

/**
 * Our tensor from one of a state dict.
 * @param shape of ours.
 * @returns a new tensor, the caller's.
 */
export function fromStateDict(theirs: Tensor, layout: StateDictLayout | undefined, shape: readonly number[]): Tensor {
  return tidy(() => {
    if (layout === "transpose") return transpose(theirs);
    if (layout !== "convolution") return reshape(theirs, [...shape]);
    const [outputs, channels] = theirs.shape as [number, number];
    return reshape(transpose(reshape(theirs, [outputs, channels, -1]), [2, 1, 0]), [...shape]);
  });
}

/**
 * The tensor of a state dict from ours, the inverse of {@link fromStateDict}.
 * @param shape of theirs.
 * @returns a new tensor, the caller's.
 */
export function toStateDict(ours: Tensor, layout: StateDictLayout | undefined, shape: readonly number[]): Tensor {
  return tidy(() => {
    if (layout === "transpose") return transpose(ours);
    if (layout !== "convolution") return reshape(ours, [...shape]);
    const [outputs, channels] = shape as [number, number];
    return reshape(transpose(reshape(ours, [-1, channels, outputs]), [2, 1, 0]), [...shape]);
  });
}

/**
 * Throws unless a state dict has exactly the expected names and shapes.
 * @throws CoordTokError `checkpoint` for the first unexpected, missing or misshapen tensor.
 */
export function checkStateDict(expected: ExpectedShapes, tensors: ReadonlyMap<string, Tensor>): void {
  for (const name of tensors.keys())
    if (!expected.has(name))
      throw new CoordTokError("checkpoint", `Unexpected tensor "${name}" in the state dict; nothing was loaded.`);
  for (const [name, shape] of expected) {
    const tensor = tensors.get(name);
    if (tensor === undefined)
      throw new CoordTokError("checkpoint", `The tensor "${name}" is missing in the state dict; nothing was loaded.`);
    if (formatShape(tensor.shape) !== formatShape(shape))
      throw new CoordTokError(
        "checkpoint",
        `Expected tensor "${name}" of shape ${formatShape(shape)}, got ${formatShape(tensor.shape)}; nothing was loaded.`,
      );
  }
}
