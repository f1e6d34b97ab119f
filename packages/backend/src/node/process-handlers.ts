type Handler = (...args: unknown[]) => void;

/**
 * The handlers that Emscripten's start code leaves behind, as they are written, minified or not: one throws every uncaught error again that is not
 * its own, the other every rejection. Node then prints the start code in place of the error and ends with 7, whatever handler a program has.
 */
const leftBehind = {
  uncaughtException: /^function\s*\((\w+)\)\s*\{\s*if\s*\(!\(\1 instanceof \w+\)\)\s*\{?\s*throw \1\b/,
  unhandledRejection: /^function\s*\((\w+)\)\s*\{\s*throw \1;?\s*\}$/,
} as const;

/** Starts something and takes off the handlers of that kind that were added meanwhile; a program's own stay. */
export async function withoutProcessHandlers<T>(start: () => Promise<T>): Promise<T> {
  const names = Object.keys(leftBehind) as (keyof typeof leftBehind)[];
  const before = names.map((name) => process.listeners(name as "uncaughtException"));
  try {
    return await start();
  } finally {
    names.forEach((name, i) => {
      for (const handler of process.listeners(name as "uncaughtException"))
        if (!before[i]!.includes(handler) && leftBehind[name].test(String(handler)))
          process.off(name, handler as unknown as Handler);
    });
  }
}
