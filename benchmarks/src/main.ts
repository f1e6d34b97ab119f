import { isCoordTokError, messageOf } from "@coordtok/core";
import { parseFlags, help } from "./flags.js";
import { benchCases } from "./bench-cases.js";
import { benchLengths } from "./bench-lengths.js";
import { benchMetrics } from "./bench-metrics.js";
import { benchOperations } from "./bench-operations.js";
import { benchLattice } from "./lattice/bench-lattice.js";

const commands = {
  cases: benchCases,
  lengths: benchLengths,
  operations: benchOperations,
  metrics: benchMetrics,
  lattice: benchLattice,
};
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(signal));

process.exitCode = await main(process.argv.slice(2).filter((arg) => arg !== "--"));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const flags = parseFlags(argv);
    if (flags.help) console.log(help);
    else await commands[flags.what](flags, stop.signal);
    return 0;
  } catch (thrown) {
    if (!isCoordTokError(thrown)) {
      console.error(thrown);
      return 70;
    }
    if (thrown.code === "aborted") return 130;
    console.error([messageOf(thrown), ...thrown.details.map((line) => `  ${line}`)].join("\n"));
    return thrown.code === "usage" ? 2 : 1;
  }
}
