import { cpus, totalmem } from "node:os";
import { CoordTokError } from "@coordtok/core";
import { checkOutput, writeAtomically } from "@coordtok/core/node";
import { busyFraction, busyWarning } from "./busy.js";
import type { Peer } from "./peer.js";

/** Prints a note on standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Describes the machine that the figures were measured on. */
export function machineLine(peer: Pick<Peer, "version"> | undefined): string {
  const processor = `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${String(cpus().length)} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  return `${processor}; Node ${process.version}; ${peer?.version ?? "PEER_PYTHON is not set, so PyTorch is not measured"}`;
}

/** Creates a function that tells whether other programs keep the machine busy, and warns when they start to. */
export function createBusyWatch(): () => Promise<boolean> {
  let warned = false;
  return async () => {
    const warning = busyWarning(await busyFraction());
    if (warning !== undefined && !warned) note(`Warning: ${warning}`);
    warned = warning !== undefined;
    return warned;
  };
}

/** Checks before the measurements that results can be written. */
export async function checkFiles(...paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) if (path !== undefined) await checkOutput(path, { overwrite: true });
}

/** Writes all rows so far. It is called after each row, so that a stopped benchmark keeps its results. */
export async function writeRows(path: string | undefined, rows: readonly unknown[]): Promise<void> {
  if (path !== undefined) await writeAtomically(path, `${JSON.stringify(rows, undefined, 2)}\n`, { overwrite: true });
}

/** Whether a failed measurement should not stop the others: its backend does not work or has too little memory. */
export function isSkippable(thrown: unknown): thrown is CoordTokError {
  return thrown instanceof CoordTokError && (thrown.code === "backend" || thrown.code === "memory");
}
