import { CoordTokError } from "../errors.js";

/**
 * How the numbers of a tensor of a PyTorch state dict are laid out against ours. `transpose`: a Linear weight `[out, in]`.
 * `convolution`: `[out, channels, …kernel]` against `[kernel * channels, out]`. `flat`: the same numbers in another shape.
 */
export type StateDictLayout = "transpose" | "convolution" | "flat";

/**
 * One row of a table of names: how a tensor is called here and in a state dict, and, where the numbers are laid out otherwise there,
 * how. `{i}`, `{j}`, … in both names stand for the same index: `["blocks.{i}.mlp.up.kernel", "layers.{i}.mlp.fc1.weight", "transpose"]`.
 * Several of ours that lie behind one another in one of theirs, along its first axis, are numbered by `part` from 0 on.
 */
export type StateDictRule = readonly [
  ours: string,
  theirs: string,
  layout?: StateDictLayout | undefined,
  part?: number,
];

/** What a state dict calls one of our tensors. */
export interface StateDictName {
  /** The name of the tensor. */
  readonly theirs: string;
  /** `undefined` where the numbers stay as they are. */
  readonly layout: StateDictLayout | undefined;
  /** `undefined` where ours is all of the tensor. */
  readonly part: number | undefined;
}

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
 * Applies a table of names strictly: every name must fit exactly one rule, and no two names may become one.
 * @param names of ours.
 * @returns for each of them what a state dict calls it.
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
      `${unknown.length} tensors have names that no rule knows: ${unknown.slice(0, 3).join(", ")}${unknown.length > 3 ? ", …" : ""}.`,
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
