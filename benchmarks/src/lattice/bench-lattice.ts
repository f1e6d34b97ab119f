import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { CoordTokError } from "@coordtok/core";
import type { BenchFlags } from "../flags.js";
import { findPython } from "../peer.js";
import { checkFiles, createBusyWatch, machineLine, note, writeRows } from "../report.js";
import { lastJson, measureInChild, output } from "../spawn.js";
import { millisecondsText, ratioText, tableLines } from "../table.js";

const script = fileURLToPath(new URL("lattice_times.py", import.meta.url));
const reference = fileURLToPath(new URL("../../../../shared/starter/lattice_torch.py", import.meta.url));

/** Measures the starter on one backend, and its reference in PyTorch if it is available. */
export async function benchLattice({ backend, json }: BenchFlags, signal: AbortSignal): Promise<void> {
  await checkFiles(json);
  const peer = await findPython(process.env, signal);
  note(machineLine(peer));
  await createBusyWatch()();
  note(`starter on ${backend}`);
  const { operations = [], device } = await measureInChild({ kind: "lattice", backend }, signal);
  if (peer) note("reference in PyTorch");
  const theirs = peer ? await referenceTimes(peer.python, signal) : {};
  const rows = operations.map(({ name, medianSeconds }) => {
    const peerMedianSeconds = theirs[name] ?? null;
    const ratio = peerMedianSeconds === null ? null : medianSeconds / peerMedianSeconds;
    return { task: name, frames: 16, size: "128x128", backend, medianSeconds, peerMedianSeconds, ratio };
  });
  const cells = rows.map((row) => [
    row.task,
    millisecondsText(row.medianSeconds),
    millisecondsText(row.peerMedianSeconds ?? undefined),
    ratioText(row.ratio),
  ]);
  const head = ["starter, 16 frames of 128x128", backend, "PyTorch", "ratio"];
  console.log([...tableLines([head, ...cells]), "", device].join("\n"));
  await writeRows(json, rows);
}

async function referenceTimes(python: string, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
  const path = process.env["PEER_LATTICE"] ?? reference;
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere)
    throw new CoordTokError("config", `PEER_PYTHON is set, but there is no "${path}"; name it with PEER_LATTICE.`);
  const { stdout, stderr } = await output(python, [script, String(availableParallelism()), path], signal);
  const said = lastJson(stdout) as Record<string, number> | undefined;
  if (said === undefined)
    throw new CoordTokError("backend", "The PyTorch peer failed.", { details: stderr.trim().split("\n").slice(-10) });
  return said;
}
