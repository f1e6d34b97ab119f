import { suggest } from "./config.js";
import { CoordTokError } from "./errors.js";
import type { LongCallOptions } from "./progress.js";

/** The names of all options of a type. The compiler rejects a table that lacks a name or has an extra one. */
export type OptionNames<Options> = Readonly<Record<Options extends unknown ? keyof Options : never, true>>;

/** The names of the options of every long call. */
export const longCallOptionNames: OptionNames<LongCallOptions> = { signal: true, onProgress: true };

/** Returns only the options named in a table, to pass on to a function that has no others. */
export function pickOptions<Options extends object, Name extends keyof Options>(
  options: Options,
  names: Readonly<Record<Name, true>>,
): Pick<Options, Name> {
  const picked = Object.entries(options).filter(([name]) => Object.hasOwn(names, name));
  return Object.fromEntries(picked) as Pick<Options, Name>;
}

/**
 * Throws if options have a name that a function does not know. The compiler does so in TypeScript; this covers JavaScript, and objects
 * built elsewhere.
 * @param known the names of the function's options.
 * @param caller the name of the function, for the message.
 * @throws CoordTokError `config` naming the nearest known option.
 */
export function checkOptions(options: object | undefined, known: Readonly<Record<string, true>>, caller: string): void {
  for (const name of Object.keys(options ?? {}))
    if (!Object.hasOwn(known, name))
      throw new CoordTokError("config", `Unknown option "${name}" of ${caller}${suggest(name, Object.keys(known))}`);
}
