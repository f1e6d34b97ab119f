import { parseArgs } from "node:util";
import { CoordTokError, messageOf } from "@coordtok/core";
import { pickCases, tasks, withPrecision, usualCases, type Case } from "./case.js";

/** The parsed command line. */
export interface BenchFlags {
  readonly what: "cases" | "lengths" | "operations" | "metrics" | "lattice";
  readonly cases: readonly Case[];
  /** Number of processes on each side and case. */
  readonly rounds: number | undefined;
  readonly preset: string;
  readonly backend: string;
  /** The lengths of the clip in frames. */
  readonly frames: readonly number[];
  readonly points: number;
  readonly json: string | undefined;
  readonly picture: string | undefined;
  readonly help: boolean;
}

/** The text of `--help`. */
export const help: string = `Usage: pnpm bench [cases] [options]
       pnpm bench lengths [options]
       pnpm bench operations [options]
       pnpm bench metrics [options]
       pnpm bench lattice [options]

cases (default): seconds and peak memory of encode, decode-slice (1024 patches), decode-clip (every patch of the clip) and train-step (loss,
gradients and AdamW for one clip and 1024 patches) for presets small, S and L (L is not trained), and sit (one evaluation of the diffusion
transformer for one clip of 128 frames) for presets S/2 and L/2, on the backends tensorflow and wasm.
lengths: the same against the length of the clip, from 16 to 256 frames, and training on every patch instead of 1024 sampled ones.
operations: single operations, with their gradients.
metrics: frames per second of every quality measure; the networks have random weights. With PEER_PYTHON ours and PyTorch's alternate, and the
medians are over rounds of at least 0.05 s of calls. The script with the same networks is benchmarks/src/metrics/metrics_torch.py.
lattice: the starter on 16 frames of 128x128: encode, decode, and one step of refinement. With PEER_PYTHON beside its reference, which PEER_LATTICE
names (default: ../shared/starter/lattice_torch.py).

With PEER_PYTHON=/path/to/python (PyTorch 2 or newer, numpy) the same network in PyTorch alternates with ours, and the ratio is ours over
PyTorch's. PEER_SCRIPT names its program (default: ../shared/peer/coordtok_torch.py, with sit_torch.py beside it). Every measurement runs in a separate process, which reports the
best of 1 to 12 runs after a warm-up; the result is the median over 5 processes on each side (3 when a run takes more than half a
minute, 1 when it takes more than two; each row gives the number). Both sides get the same allocator settings and no OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE.

Options of cases:
  --only TASK,PRESET,BACKEND  measure only this; may be repeated; * or an omitted part stands for all
                              tasks: ${tasks.join(", ")}
                              presets: tiny, small, S, B, L and the other presets; for sit S/2, L/2 and the others
                              backends: tensorflow, wasm, cpu
  --precision NAME            fp32 (default) or bf16, which is measured on tensorflow and without training
Options of cases and metrics:
  --rounds N                  processes (metrics: measurements) on each side, at least 1 (default: 5, fewer for long runs; metrics: 7)
Options of lengths:
  --preset NAME               tokenizer (default: tiny)
  --frames LIST               lengths of the clip in frames, multiples of 8 (default: 16,32,64,128,256)
  --points N                  patches decoded together (default: 1024)
  --picture FILE              draw the curves into an SVG file; an existing file is replaced
Options of lengths, operations, metrics and lattice:
  --backend NAME              tensorflow, wasm or cpu (default: tensorflow)
Options of all:
  --json FILE                 write the rows as JSON as they are measured; an existing file is replaced
  -h, --help                  print this help`;

/** Reads the command line. @throws CoordTokError `usage`. */
export function parseFlags(argv: readonly string[]): BenchFlags {
  const { values, positionals } = parsed(argv);
  const [what = "cases", ...rest] = positionals;
  if (!isOneOf(what, flagsOf))
    throw new CoordTokError("usage", `Expected ${Object.keys(flagsOf).join(", ")}, got "${what}"; see --help.`);
  if (rest.length > 0) throw new CoordTokError("usage", `Unexpected "${rest[0]!}"; see --help.`);
  const only = values.only ?? [];
  const stray = strayFlag(what, values);
  if (stray !== undefined) throw new CoordTokError("usage", `--${stray} does not apply to ${what}; see --help.`);
  return {
    what,
    cases: withPrecision(only.length === 0 ? usualCases() : pickCases(only), precisionOf(values.precision)),
    rounds: values.rounds === undefined ? undefined : wholeNumber(values.rounds, "--rounds"),
    preset: values.preset ?? "tiny",
    backend: values.backend ?? "tensorflow",
    frames: (values.frames ?? "16,32,64,128,256").split(",").map((part) => wholeNumber(part, "--frames")),
    points: wholeNumber(values.points ?? "1024", "--points"),
    json: values.json,
    picture: values.picture,
    help: values.help,
  };
}

interface Values {
  readonly only?: string[];
  readonly rounds?: string;
  readonly precision?: string;
  readonly preset?: string;
  readonly frames?: string;
  readonly points?: string;
  readonly backend?: string;
  readonly json?: string;
  readonly picture?: string;
  readonly help: boolean;
}

function parsed(argv: readonly string[]): { values: Values; positionals: string[] } {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        only: { type: "string", multiple: true },
        rounds: { type: "string" },
        precision: { type: "string" },
        preset: { type: "string" },
        frames: { type: "string" },
        points: { type: "string" },
        backend: { type: "string" },
        json: { type: "string" },
        picture: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (thrown) {
    throw new CoordTokError("usage", `${messageOf(thrown)} See --help.`, { cause: thrown });
  }
}

const flagsOf: { readonly [what in BenchFlags["what"]]: readonly (keyof Values)[] } = {
  cases: ["only", "rounds", "precision"],
  lengths: ["preset", "frames", "points", "picture", "backend"],
  operations: ["backend"],
  metrics: ["backend", "rounds"],
  lattice: ["backend"],
};

function isOneOf<K extends string>(name: string, table: Readonly<Record<K, unknown>>): name is K {
  return Object.hasOwn(table, name);
}

function strayFlag(what: BenchFlags["what"], values: Values): string | undefined {
  const known: readonly string[] = [...flagsOf[what], "json", "help"];
  return Object.keys(values).find((name) => !known.includes(name));
}

function precisionOf(text = "fp32"): Case["precision"] {
  if (text !== "fp32" && text !== "bf16")
    throw new CoordTokError("usage", `--precision: expected fp32 or bf16, got "${text}".`);
  return text;
}

function wholeNumber(text: string, flag: string): number {
  if (!/^[1-9][0-9]*$/.test(text))
    throw new CoordTokError("usage", `${flag}: expected a whole number of at least 1, got "${text}".`);
  return Number(text);
}
