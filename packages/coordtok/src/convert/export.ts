import {
  bytesOfFloats,
  checkTensorNames,
  CoordTokError,
  floatsOf,
  theirsFromOurs,
  type FloatStorage,
  type NamedBytes,
  type SafetensorsFile,
  type TransferRow,
} from "@coordtok/core";
import type { WeightsKind } from "./choose.js";
import type { ModelPart, OfficialForm, OfficialModel } from "./official-model.js";

/**
 * The tensors of an official state dict out of a checkpoint of ours, each when its turn comes.
 * @throws CoordTokError `checkpoint` when the checkpoint does not hold the wanted weights whole.
 */
export function exportTensors(
  file: SafetensorsFile,
  model: OfficialModel,
  form: OfficialForm,
  options: {
    readonly dtype?: FloatStorage | undefined;
    readonly part?: ModelPart | undefined;
    readonly weights?: WeightsKind | undefined;
  },
): NamedBytes[] {
  const prefix = model.prefixOf(options.weights ?? "ema");
  const isWanted = (name: string): boolean => options.part === undefined || model.partOf(name) === options.part;
  const rows = form.rows.filter(({ theirs }) => isWanted(theirs));
  if (![...file.entries.keys()].some((name) => name.startsWith(prefix)))
    throw new CoordTokError(
      "checkpoint",
      `There are no ${options.weights === "model" ? "weights beside the moving average" : "averaged weights"} in ${file.name}.`,
    );
  const expected = new Map(rows.map(({ ours, ourShape }) => [prefix + ours, ourShape]));
  const found = new Map(
    [...file.entries].filter(([name]) => (options.part === undefined ? name.startsWith(prefix) : expected.has(name))),
  );
  checkTensorNames(expected, found, file.name);
  const read = async ({ ours }: TransferRow): Promise<Float32Array> =>
    floatsOf(ours, file.entries.get(prefix + ours)!, await file.readBytes(prefix + ours));
  const tensors = [...grouped(rows)].map(([name, parts]): NamedBytes => {
    const { dtype: stored } = file.entries.get(prefix + parts[0]!.ours)!;
    const dtype = options.dtype ?? (stored === "F16" || stored === "BF16" ? stored : "F32");
    const bytes = async (): Promise<Uint8Array> => {
      const values: [TransferRow, Float32Array][] = [];
      for (const row of parts) values.push([row, await read(row)]);
      return bytesOfFloats(theirsFromOurs(values), dtype);
    };
    return { name, dtype, shape: parts[0]!.theirShape, bytes };
  });
  for (const [name, { shape, values }] of form.fixed)
    if (isWanted(name)) {
      const dtype = options.dtype ?? "F32";
      tensors.push({ name, dtype, shape, bytes: async () => bytesOfFloats(values(), dtype) });
    }
  return tensors;
}

function grouped(rows: readonly TransferRow[]): Map<string, TransferRow[]> {
  const groups = new Map<string, TransferRow[]>();
  for (const row of rows) groups.set(row.theirs, [...(groups.get(row.theirs) ?? []), row]);
  return groups;
}
