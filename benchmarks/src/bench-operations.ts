import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { CoordTokError } from "@coordtok/core";
import type { BenchFlags } from "./flags.js";
import { findPeer } from "./peer.js";
import { checkFiles, createBusyWatch, machineLine, note, writeRows } from "./report.js";
import { lastJson, measureInChild, output } from "./spawn.js";
import { millisecondsText, ratioText, tableLines } from "./table.js";

/** Measures single operations on one backend, and in PyTorch if it is available. */
export async function benchOperations({ backend, json }: BenchFlags, signal: AbortSignal): Promise<void> {
  await checkFiles(json);
  const peer = await findPeer(process.env, signal);
  note(machineLine(peer));
  await createBusyWatch()();
  note(`operations on ${backend}`);
  const { operations = [], device } = await measureInChild({ kind: "operations", backend }, signal);
  if (peer) note("operations in PyTorch");
  const theirs = peer ? await peerOperations(peer.python, signal) : {};
  const rows = operations.map(({ name, medianSeconds, flops }) => {
    const peerMedianSeconds = theirs[name] ?? null;
    const ratio = peerMedianSeconds === null ? null : medianSeconds / peerMedianSeconds;
    return { operation: name, backend, medianSeconds, flops: flops ?? null, peerMedianSeconds, ratio };
  });
  const cells = rows.map((row) => [
    row.operation,
    millisecondsText(row.medianSeconds),
    row.flops === null ? "-" : (row.flops / row.medianSeconds / 1e9).toFixed(0),
    millisecondsText(row.peerMedianSeconds ?? undefined),
    ratioText(row.ratio),
  ]);
  console.log([...tableLines([["operation", backend, "GF/s", "PyTorch", "ratio"], ...cells]), "", device].join("\n"));
  await writeRows(json, rows);
}

async function peerOperations(python: string, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
  const script = fileURLToPath(new URL("operations_torch.py", import.meta.url));
  const { stdout, stderr } = await output(python, [script, String(availableParallelism())], signal);
  const said = lastJson(stdout) as Record<string, number> | undefined;
  if (said === undefined)
    throw new CoordTokError("backend", "The PyTorch peer failed.", { details: stderr.trim().split("\n").slice(-10) });
  return said;
}
