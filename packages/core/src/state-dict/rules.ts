import { CoordTokError } from "../errors.js";

/**
 * The layout of a tensor of a PyTorch state dict relative to ours. `transpose`: a Linear weight, `[out, in]` there and `[in, out]` here.
 * `convolution`: `[out, channels, …kernel]` there and `[kernel * channels, out]` here. `flat`: the same numbers in another shape.
 */
export type StateDictLayout = "transpose" | "convolution" | "flat";

/**
 * One rule of a table of names: the name of a tensor here and in a state dict, and its layout there if it differs. `{i}`, `{j}`, … stand
 * for the same index in both names: `["blocks.{i}.mlp.up.kernel", "layers.{i}.mlp.fc1.weight", "transpose"]`. If several of our tensors
 * are concatenated in one of the state dict along its first axis, `part` numbers them from 0.
 */
export type StateDictRule = readonly [
  ours: string,
  theirs: string,
  layout?: StateDictLayout | undefined,
  part?: number,
];

/** The name of one of our tensors in a state dict. */
export interface StateDictName {
  /** The name of the tensor in the state dict. */
  readonly theirs: string;
  /** Its layout; `undefined` if it is the same as ours. */
  readonly layout: StateDictLayout | undefined;
  /** The number of our part of it; `undefined` if ours is the whole tensor. */
  readonly part: number | undefined;
}

/** The rules of a linear layer, an `nn.Linear` of PyTorch. */
export function linearRules(ours: string, theirs: string): StateDictRule[] {
  return [
    [`${ours}.kernel`, `${theirs}.weight`, "transpose"],
    [`${ours}.bias`, `${theirs}.bias`],
  ];
}

/** The rules of a convolution over patches. */
export function convolutionRules(ours: string, theirs: string): StateDictRule[] {
  return [
    [`${ours}.kernel`, `${theirs}.weight`, "convolution"],
    [`${ours}.bias`, `${theirs}.bias`],
  ];
}

/**
 * Applies a table of names strictly: every name must match exactly one rule, and no two names may map to the same one.
 * @param names the names of our tensors.
 * @returns the name of each of them in a state dict.
 * @throws CoordTokError `checkpoint`, naming the first few names without a rule or the names that clash.
 */
export function renameStrictly(rules: readonly StateDictRule[], names: Iterable<string>): Map<string, StateDictName> {
  const patterns = rules.map(([ours, theirs, layout, part]) => ({ pattern: patternOf(ours), theirs, layout, part }));
  const renamed = new Map<string, StateDictName>();
  const origins = new Map<string, string>();
  const unknown: string[] = [];
  for (const name of names) {
    const fits = patterns.flatMap(({ pattern, theirs, layout, part }) => {
      const match = pattern.exec(name);
      return match ? [{ theirs: fill(theirs, match.groups ?? {}), layout, part }] : [];
    });
    const [first, second] = fits;
    if (!first) unknown.push(name);
    else {
      const place = `${first.theirs}#${first.part ?? ""}`;
      const origin = origins.get(place);
      if (second) throw new CoordTokError("checkpoint", `Two rules rename the tensor "${name}".`);
      if (origin !== undefined)
        throw new CoordTokError("checkpoint", `Both "${origin}" and "${name}" would be called "${first.theirs}".`);
      origins.set(place, name);
      renamed.set(name, first);
    }
  }
  if (unknown.length > 0)
    throw new CoordTokError(
      "checkpoint",
      `${unknown.length} tensors have names that no rule matches: ${unknown.slice(0, 3).join(", ")}${unknown.length > 3 ? ", …" : ""}.`,
    );
  return renamed;
}

function patternOf(template: string): RegExp {
  const source = template
    .split(/\{(\w+)\}/)
    .map((part, index) =>
      index % 2 === 1 ? `(?<${part}>0|[1-9][0-9]*)` : part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"),
    )
    .join("");
  return new RegExp(`^${source}$`);
}

function fill(template: string, indices: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_, index: string) => indices[index]!);
}
