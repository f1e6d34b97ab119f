import { CoordTokError } from "@coordtok/core";
import { compare, sampleSteps, type Row } from "./compare.js";
import type { BenchFlags } from "./flags.js";
import { findPeer, type Peer } from "./peer.js";
import { checkFiles, createBusyWatch, isSkippable, machineLine, note, writeRows } from "./report.js";
import { gigabytesText, ratioText, secondsText, tableLines } from "./table.js";

/** Measures the requested cases, prints a table, and writes the rows. @throws CoordTokError `backend` when none could be measured. */
export async function benchCases(flags: BenchFlags, signal: AbortSignal): Promise<void> {
  await checkFiles(flags.json);
  const peer = await findPeer(process.env, signal);
  note(machineLine(peer));
  const rows: Row[] = [];
  const devices = new Set<string>();
  const skipped: string[] = [];
  const isBusy = createBusyWatch();
  try {
    for (const [index, one] of flags.cases.entries()) {
      const name = `${one.task} ${one.preset} ${one.backend} ${one.precision}`;
      const onRound = (round: number, rounds: number): void =>
        note(`${index + 1}/${flags.cases.length} ${name}: round ${round} of ${rounds}`);
      try {
        const { row, device } = await compare(one, { peer, rounds: flags.rounds, signal, onRound, isBusy });
        rows.push(row);
        devices.add(`${one.backend}: ${device}`);
        await writeRows(flags.json, rows);
      } catch (thrown) {
        if (!isSkippable(thrown)) throw thrown;
        skipped.push(`Not measured: ${name}. ${thrown.message}`);
        note([skipped.at(-1), ...thrown.details].join("\n  "));
      }
    }
  } finally {
    printRows(rows, peer, [...devices, ...skipped]);
  }
  if (rows.length === 0) throw new CoordTokError("backend", "Nothing could be measured.");
}

function printRows(rows: readonly Row[], peer: Peer | undefined, notes: readonly string[]): void {
  if (rows.length === 0) return;
  const head = ["task", "preset", "backend", "precision", "time", "peak", "PyTorch", "its peak", "ratio", "runs"];
  const cells = rows.map((row) => [
    ...[row.task, row.preset, row.backend, row.precision],
    secondsText(row.medianSeconds) + (row.busy ? " (busy)" : ""),
    gigabytesText(row.peakBytes),
    secondsText(row.peerMedianSeconds),
    gigabytesText(row.peerPeakBytes),
    ratioText(row.ratio),
    String(row.runs),
  ]);
  console.log(
    [...tableLines([head, ...cells]), "", ...rows.flatMap(sampleLine), ...notes, machineLine(peer)].join("\n"),
  );
}

function sampleLine({ preset, backend, sampleSeconds }: Row): string[] {
  if (sampleSeconds === undefined) return [];
  const costs = sampleSteps.map((steps) => `${secondsText(sampleSeconds[steps])} for ${steps} steps`);
  return [
    `A sample of 128 frames with SiT-${preset} on ${backend}, one evaluation per step, without decoding: ${costs.join(", ")}.`,
  ];
}
