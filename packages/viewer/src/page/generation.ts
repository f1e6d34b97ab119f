import type { LongCallOptions } from "@coordtok/core";
import type { CoordTokWorker } from "../worker/client.js";
import type { FilmData, GeneratorFacts } from "../worker/types.js";
import type { Sampling } from "./state.js";

/** Generates a film; the planes of all steps so far are given after each. */
export function generateFilm(
  worker: CoordTokWorker,
  { id }: GeneratorFacts,
  sampling: Sampling,
  { onStates, ...options }: LongCallOptions & { readonly onStates: (states: readonly FilmData[]) => void },
): Promise<FilmData> {
  const states: FilmData[] = [];
  return worker.generate({
    ...options,
    ...sampling,
    generator: id,
    onState: ({ film }) => {
      states.push(film);
      onStates([...states]);
    },
  });
}

/** What a generated film is called. */
export function nameOfGenerated({ classes }: GeneratorFacts, { class: label, seed }: Sampling): string {
  return `Generated ${classes.length > 1 ? `${classes[label]!}, ` : ""}seed ${String(seed)}`;
}
