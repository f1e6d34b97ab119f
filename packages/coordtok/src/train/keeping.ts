import { integer, minValue, number, object, optional, pipe, type GenericSchema } from "valibot";

/** How often a training saves and measures, as `config.json` records it for those that resume it; what nobody asked for is absent. */
export interface Keeping {
  readonly saveEvery?: number | undefined;
  readonly keep?: number | undefined;
  readonly validateEvery?: number | undefined;
  readonly previewEvery?: number | undefined;
}

const names = ["saveEvery", "keep", "validateEvery", "previewEvery"] as const;
const count = optional(pipe(number(), integer(), minValue(0)));

/** A {@link Keeping} as it is stored. */
export const keepingSchema: GenericSchema<unknown, Keeping> = object({
  saveEvery: count,
  keep: count,
  validateEvery: count,
  previewEvery: count,
});

/** Those of the options that a training repeats when it is resumed. */
export function keepingOf(options: Keeping): Keeping {
  return Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));
}

/** Options in which those that are not given are as in the training to resume. */
export function withKeeping<Options extends Keeping>(options: Options, before: Keeping | undefined): Options {
  return { ...options, ...keepingOf(before ?? {}), ...keepingOf(options) };
}
