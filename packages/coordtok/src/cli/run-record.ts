import { isDeepStrictEqual } from "node:util";
import type { Flags } from "./flags.js";

/** Parts of the configuration of a generator that follow from its latents. */
const derived: ReadonlySet<string> = new Set(["planes", "classes"]);

/**
 * Writes the `config.json` of a run folder as keys of a configuration file: what a new training needs to be the same one.
 * @param warn is told about settings that no flag sets and that are not the default.
 */
export async function flagsOfRecord(
  record: Readonly<Record<string, unknown>>,
  flags: Flags,
  warn: (line: string) => void,
): Promise<Record<string, unknown>> {
  const { settings, seed, from, form, config, model, flow, keeping, perceptual } = record;
  const values: Record<string, unknown> = { seed };
  const defaults = await defaultsOf(record);
  for (const [option, value] of Object.entries({ ...groupOf(keeping), ...groupOf(settings) })) {
    const name = Object.entries(flags).find(([flag, row]) => (row.option ?? flag) === option)?.[0];
    if (name !== undefined && value !== null && value !== Infinity) values[name] = value;
    else if (!isDeepStrictEqual(plain(value), plain(defaults[option])))
      warn(`no flag sets ${option}, which is not taken over; this training has its default`);
  }
  for (const [name, value] of Object.entries({ ...groupOf(perceptual), ...groupOf(flow), from, form }))
    values[name] = value;
  for (const [name, key] of [
    ["videos", "paths"],
    ["latents", "paths"],
    ["validation", "val"],
    ["pictures", "pictures"],
    ["tokenizer", "tokenizer"],
  ] as const)
    if (record[name] !== undefined) values[key] = record[name];
  if (config !== undefined && groupOf(config)["form"] === "lattice") values["form"] = "lattice";
  if (from === undefined) values["set"] = assignments(groupOf(config ?? model));
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function groupOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** Every number and word of a configuration, `decoder.layers=4`. */
function assignments(config: Readonly<Record<string, unknown>>, before = ""): string[] {
  return Object.entries(config).flatMap(([name, value]) => {
    if (derived.has(name) && "depth" in config) return [];
    const path = `${before}${name}`;
    if (typeof value === "object" && value !== null) return assignments({ ...value }, `${path}.`);
    return path === "form" ? [] : [`${path}=${String(value)}`];
  });
}

async function defaultsOf(record: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
  if (record["latents"] !== undefined) {
    const { trainDefaults } = await import("@coordtok/diffusion/train");
    return { ...trainDefaults };
  }
  const { trainDefaults, latticeTrainDefaults } = await import("@coordtok/tokenizer/train");
  return groupOf(record["config"])["form"] === "lattice" ? { ...latticeTrainDefaults } : { ...trainDefaults };
}

/** As it comes back from a file. */
function plain(value: unknown): unknown {
  return value === Infinity ? "Infinity" : (JSON.parse(JSON.stringify(value ?? null)) as unknown);
}
