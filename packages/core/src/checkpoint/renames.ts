import { CoordTokError } from "../errors.js";

/**
 * One row of a table of names: how a tensor is called here and in a foreign checkpoint, and, where the numbers are laid out
 * otherwise there, what has to be done to them. `{i}`, `{j}`, … in both names stand for the same index:
 * `["blocks.{i}.mlp.up.kernel", "layers.{i}.mlp.fc1.weight", "transpose"]`.
 */
export type RenameRule<Layout extends string = "transpose"> = readonly [ours: string, theirs: string, layout?: Layout];

/** A new name and the layout of the rule that gave it. */
export interface Renamed<Layout extends string = "transpose"> {
  /** The name on the other side of the table. */
  readonly name: string;
  /** `undefined` where the numbers stay as they are. */
  readonly layout: Layout | undefined;
}

/**
 * Applies a table of names strictly: every name must fit exactly one rule, and no two names may become one.
 * @param to `ours` turns foreign names into ours, `theirs` ours into foreign ones.
 * @returns for each given name its new name and the layout of its rule.
 * @throws CoordTokError `checkpoint`, naming the first few names without a rule or the names that clash.
 */
export function renameStrictly<Layout extends string = "transpose">(
  rules: readonly RenameRule<Layout>[],
  names: Iterable<string>,
  to: "ours" | "theirs",
): Map<string, Renamed<Layout>> {
  const patterns = rules.map(([ours, theirs, layout]) => ({
    pattern: patternOf(to === "ours" ? theirs : ours),
    target: to === "ours" ? ours : theirs,
    layout,
  }));
  const renamed = new Map<string, Renamed<Layout>>();
  const origins = new Map<string, string>();
  const unknown: string[] = [];
  for (const name of names) {
    const fits = patterns.flatMap(({ pattern, target, layout }) => {
      const match = pattern.exec(name);
      return match ? [{ name: fill(target, match.groups ?? {}), layout }] : [];
    });
    const [first, second] = fits;
    if (!first) unknown.push(name);
    else {
      const origin = origins.get(first.name);
      if (second) throw new CoordTokError("checkpoint", `Two rules rename the tensor "${name}".`);
      if (origin !== undefined)
        throw new CoordTokError("checkpoint", `Both "${origin}" and "${name}" would be called "${first.name}".`);
      origins.set(first.name, name);
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
