import { CoordTokError, readFloats, type FloatStorage, type NamedBytes, type TensorFile } from "@coordtok/core";
import { checkTensorNames, bytesOfFloats, theirTensors } from "@coordtok/core/state-dict";
import type { WeightsKind } from "./choose.js";
import type { ModelPart, OfficialForm, OfficialModel } from "./official-model.js";

/**
 * Yields the tensors of an official state dict from one of our checkpoints, each read when it is needed.
 * @throws CoordTokError `checkpoint` when the checkpoint does not hold the requested weights completely.
 */
export function exportTensors(
  file: TensorFile,
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
      `There are no ${options.weights === "model" ? "weights besides the moving average" : "averaged weights"} in ${file.name}.`,
    );
  const expected = new Map(rows.map(({ ours, ourShape }) => [prefix + ours, ourShape]));
  const found = new Map(
    [...file.entries].filter(([name]) => (options.part === undefined ? name.startsWith(prefix) : expected.has(name))),
  );
  checkTensorNames(expected, found, file.name);
  const theirs = theirTensors(rows, async (path) => readFloats(file, prefix + path));
  const tensors = theirs.map(({ name, shape, rows: [first], values }): NamedBytes => {
    const { dtype: stored } = file.entries.get(prefix + first!.ours)!;
    const dtype = options.dtype ?? (stored === "F16" || stored === "BF16" ? stored : "F32");
    return { name, dtype, shape, bytes: async () => bytesOfFloats(await values(), dtype) };
  });
  for (const [name, { shape, values }] of form.fixed)
    if (isWanted(name)) {
      const dtype = options.dtype ?? "F32";
      tensors.push({ name, dtype, shape, bytes: async () => bytesOfFloats(values(), dtype) });
    }
  return tensors;
}
