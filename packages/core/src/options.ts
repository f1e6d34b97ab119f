import { suggest } from "./config.js";
import { CoordTokError } from "./errors.js";
import type { LongCallOptions } from "./progress.js";

/** The names of all options of a type. The compiler refuses a table that lacks one or has another one. */
export type OptionNames<Options> = Readonly<Record<Options extends unknown ? keyof Options : never, true>>;

/** The options that every long call has. */
export const longCallOptionNames: OptionNames<LongCallOptions> = { signal: true, onProgress: true };

/** Only the options of a table, for a function that has no others. */
export function pickOptions<Options extends object, Name extends keyof Options>(
  options: Options,
  names: Readonly<Record<Name, true>>,
): Pick<Options, Name> {
  const picked = Object.entries(options).filter(([name]) => Object.hasOwn(names, name));
  return Object.fromEntries(picked) as Pick<Options, Name>;
}

/**
 * Refuses options that a function does not have. The compiler does so in TypeScript; this does it for JavaScript, and for objects that
 * were put together elsewhere.
 * @param known the names of the function's options.
 * @param caller the name of the function, for the message.
 * @throws CoordTokError `config` naming the nearest known option.
 */
export function checkOptions(options: object | undefined, known: Readonly<Record<string, true>>, caller: string): void {
  for (const name of Object.keys(options ?? {}))
    if (!Object.hasOwn(known, name))
      throw new CoordTokError("config", `Unknown option "${name}" of ${caller}${suggest(name, Object.keys(known))}`);
}
