import { CoordTokError, type LongCallOptions, type NamedOptions } from "@coordtok/core";
import { lastLinesOf, ownProgram, programProblem, runProgram, type ProgramResult } from "@coordtok/core/node";
import { limits } from "./limits.js";

/** The report that the child process of the self-test prints. */
export type SelfTestReport =
  | {
      readonly ok: true;
      readonly tensorflow: string;
      readonly devices: readonly string[];
      /** The speed of a product of two 1024×1024 matrices in 1e9 float32 operations per second. */
      readonly gigaflops: number;
      /** The largest error of the product and its gradient against float64. */
      readonly maxError: number;
    }
  | { readonly ok: false; readonly reason: string };

export interface SelfTestResult {
  readonly tensorflow: string;
  readonly devices: readonly string[];
  readonly gigaflops: number;
}

/**
 * Loads an installation in a separate Node process, multiplies two matrices and computes a gradient.
 * @throws CoordTokError `setup` if it does not load or computes wrongly, `aborted`.
 */
export async function selfTest(
  directory: string,
  env: NodeJS.ProcessEnv,
  options: LongCallOptions = {},
): Promise<SelfTestResult> {
  options.onProgress?.({ task: "self-test", done: 0, total: 1, unit: "products" });
  const { report, ran } = await runChild("products", directory, env, options);
  if (!report.ok) throw selfTestError(report.reason, lastLinesOf(ran));
  if (!(report.maxError < 1e-3)) {
    const message = `TensorFlow loads but computes wrongly (error ${report.maxError.toExponential(1)} in a product); run setup again from scratch, or choose another version.`;
    throw new CoordTokError("setup", message, { options: { force: true, tensorflow: undefined } });
  }
  options.onProgress?.({ task: "self-test", done: 1, total: 1, unit: "products" });
  return { tensorflow: report.tensorflow, devices: report.devices, gigaflops: report.gigaflops };
}

/**
 * Loads the fused operations of an installation in a separate process and compares one of them with composite operations.
 * @throws CoordTokError `setup` if they do not load or compute wrongly, `aborted`.
 */
export async function fusedTest(
  directory: string,
  env: NodeJS.ProcessEnv,
  options: LongCallOptions = {},
): Promise<void> {
  const { report, ran } = await runChild("fused", directory, env, options);
  if (!report.ok)
    throw new CoordTokError("setup", `they do not work here (${report.reason}).`, { details: lastLinesOf(ran) });
  if (!(report.maxError < 1e-5))
    throw new CoordTokError("setup", `they compute wrongly (error ${report.maxError.toExponential(1)}).`);
}

async function runChild(
  what: "products" | "fused",
  directory: string,
  env: NodeJS.ProcessEnv,
  { signal }: LongCallOptions,
): Promise<{ report: SelfTestReport; ran: ProgramResult }> {
  const args = [...ownProgram(import.meta.url, "setup/self-test-child"), what, directory];
  const ran = await runProgram(process.execPath, args, {
    env: { ...env, NODE_OPTIONS: "" },
    signal,
    limit: limits.selfTest,
  });
  return { report: parseReport(ran), ran };
}

function parseReport(ran: ProgramResult): SelfTestReport {
  const line = ran.stdout.trim().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line) as SelfTestReport;
  } catch {
    return { ok: false, reason: lastLinesOf(ran).at(-1) ?? programProblem(ran) ?? "it printed nothing" };
  }
}

function selfTestError(reason: string, details: readonly string[]): CoordTokError {
  const make = (sentence: string, options: NamedOptions = {}): CoordTokError =>
    new CoordTokError("setup", sentence, { details, options });
  const glibc = /version [`'"]?(?<library>GLIBC(?:XX)?_[\d.]+)'? not found/.exec(reason)?.groups?.["library"];
  if (glibc !== undefined)
    return make(
      `This TensorFlow needs ${glibc}, but this system's C library is older; choose an older version, or use a newer system or image.`,
      { tensorflow: "2.18.1" },
    );
  const library = /(?<library>lib[\w.+-]+): cannot open shared object file/.exec(reason)?.groups?.["library"];
  if (library !== undefined)
    return make(
      `TensorFlow needs ${library}, which this system lacks; install it (Debian: apt install libstdc++6 libgcc-s1).`,
    );
  if (/wrong ELF class|invalid ELF header|incompatible architecture|mach-o/i.test(reason))
    return make(`The wheel is for another kind of processor (${reason}); give one for this machine.`);
  return make(
    `The compiled add-on does not work here (${reason}); run setup again from scratch, or choose another version.`,
    { force: true, tensorflow: undefined },
  );
}
