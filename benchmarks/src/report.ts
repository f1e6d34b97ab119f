import { cpus, totalmem } from "node:os";
import { CoordTokError } from "@coordtok/core";
import { checkOutput, writeAtomically } from "@coordtok/core/node";
import { busyFraction, busyWarning } from "./busy.js";
import type { Peer } from "./peer.js";

/** Says something beside the results. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What the figures were measured on. */
export function machineLine(peer: Pick<Peer, "version"> | undefined): string {
  const processor = `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${String(cpus().length)} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  return `${processor}; Node ${process.version}; ${peer?.version ?? "PEER_PYTHON is not set, so PyTorch is not measured"}`;
}

/** Warns when other programs compute, at most once in a row. */
export function createBusyWatch(): () => Promise<boolean> {
  let warned = false;
  return async () => {
    const warning = busyWarning(await busyFraction());
    if (warning !== undefined && !warned) note(`Warning: ${warning}`);
    warned = warning !== undefined;
    return warned;
  };
}

/** Checks before the work that results can be written. */
export async function checkFiles(...paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) if (path !== undefined) await checkOutput(path, { overwrite: true });
}

/** Writes all rows so far; called after each, so that a stopped benchmark keeps what it has. */
export async function writeRows(path: string | undefined, rows: readonly unknown[]): Promise<void> {
  if (path !== undefined) await writeAtomically(path, `${JSON.stringify(rows, undefined, 2)}\n`, { overwrite: true });
}

/** Whether a measurement that failed should not end the others: its backend does not work or cannot hold it. */
export function isSkippable(thrown: unknown): thrown is CoordTokError {
  return thrown instanceof CoordTokError && (thrown.code === "backend" || thrown.code === "memory");
}
