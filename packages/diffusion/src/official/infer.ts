import { checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";
import { checkConfig, type SiTConfig } from "../config.js";
import { headsOfWidth } from "../presets.js";

/** Whether the names of a state dict are those of a published SiT over triplanes. */
export function isOfficialSiT(names: Iterable<string>): boolean {
  const marks = new Set(["x_embedder_xy.proj.weight", "pos_embed_t", "type_embed"]);
  return [...names].some((name) => marks.has(name));
}

/** The options that the shapes of a state dict do not determine. */
export interface InferOptions {
  /** Attention heads (default: those of the published size of this width). */
  readonly heads?: number | undefined;
  /** Number of classes (default: 1 when the table of classes has one row, otherwise all rows but the last, which is taken for "no class"). */
  readonly classes?: number | undefined;
}

const inferOptionNames: OptionNames<InferOptions> = { heads: true, classes: true };

/** Reads the options that shapes do not determine from the arguments that a training script saved beside the weights, by official name. */
export function hintsFromArguments(saved: ReadonlyMap<string, unknown>): InferOptions {
  const classes = saved.get("num_classes");
  return { classes: typeof classes === "number" ? classes : undefined };
}

/**
 * Infers the configuration from the shapes of an official state dict.
 * @param shapes of its tensors by official name; other names are ignored.
 * @throws CoordTokError `checkpoint` when the shapes are not those of a SiT over triplanes, `config` when `heads` cannot be
 *   inferred and must be given.
 */
export function configFromOfficialShapes(
  shapes: ReadonlyMap<string, readonly number[]>,
  options: InferOptions = {},
): SiTConfig {
  checkOptions(options, inferOptionNames, "configFromOfficialShapes");
  const shape = (name: string, axes: number): readonly number[] => {
    const found = shapes.get(name);
    if (found === undefined) throw notSit(`has no tensor "${name}"`);
    if (found.length !== axes) throw notSit(`has a tensor "${name}" of ${found.length} axes instead of ${axes}`);
    return found;
  };
  const [width, channels, patch] = shape("x_embedder_xy.proj.weight", 4) as [number, number, number];
  const side = Math.sqrt(shape("pos_embed_xy", 3)[1]!);
  const time = shape("pos_embed_t", 3)[1]! / side;
  const outputs = shape("final_layer_xy.linear.weight", 2)[0]! / (patch * patch * channels);
  if (![side, time].every(Number.isInteger) || (outputs !== 1 && outputs !== 2))
    throw notSit("has positions and outputs that do not fit together");
  const rows = shape("y_embedder.embedding_table.weight", 2)[0]!;
  const classes = options.classes ?? Math.max(1, rows - 1);
  if (rows !== classes && rows !== classes + 1)
    throw notSit(`has a table of ${rows} rows, which does not fit ${classes} classes`);
  return checkConfig({
    planes: { t: time * patch, x: side * patch, y: side * patch, channels },
    patch,
    width,
    depth: [...shapes.keys()].filter((name) => /^blocks\.\d+\.attn\.qkv\.weight$/.test(name)).length,
    heads: options.heads ?? headsOfWidth(width),
    mlpRatio: shape("blocks.0.mlp.fc1.weight", 2)[0]! / width,
    classes,
    labelDropout: rows > classes ? 0.1 : 0,
    learnSigma: outputs === 2,
  });
}

function notSit(problem: string): CoordTokError {
  return new CoordTokError("checkpoint", `Expected the state dict of a SiT over triplanes, but it ${problem}.`);
}
