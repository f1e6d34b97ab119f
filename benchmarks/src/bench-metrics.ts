import { fileURLToPath } from "node:url";
import { CoordTokError } from "@coordtok/core";
import type { BenchFlags } from "./flags.js";
import type { MetricRow, MetricsRequest } from "./metrics/metrics-child.js";
import { findPython } from "./peer.js";
import { checkFiles, createBusyWatch, machineLine, note, writeRows } from "./report.js";
import { eachLine } from "./spawn.js";
import { ratioText, secondsText, tableLines } from "./table.js";

const child = fileURLToPath(new URL("metrics/metrics-child.ts", import.meta.url));

/** Measures the frames per second of every measure on one backend, alternating with PyTorch if it is available. */
export async function benchMetrics({ backend, rounds, json }: BenchFlags, signal: AbortSignal): Promise<void> {
  await checkFiles(json);
  const found = await findPython(process.env, signal);
  note(machineLine(found));
  await createBusyWatch()();
  const request: MetricsRequest = { backend, rounds: rounds ?? 7, python: found?.python };
  const rows: MetricRow[] = [];
  const args = [...process.execArgv, child, JSON.stringify(request)];
  for await (const line of eachLine(process.execPath, args, signal)) {
    const said = JSON.parse(line) as MetricRow | { readonly failed: string };
    if ("failed" in said) throw new CoordTokError("backend", said.failed);
    rows.push(said);
    note(`${said.measure}: ${secondsText(said.medianSeconds)}`);
    await writeRows(json, rows);
  }
  const cells = rows.map((row) => [
    row.measure,
    row.frames === 0 ? `${row.side} features` : `${row.frames} of ${row.side}x${row.side}`,
    secondsText(row.medianSeconds),
    rateText(row.framesPerSecond),
    rateText(row.peerFramesPerSecond),
    ratioText(row.ratio),
  ]);
  const head = ["measure", "frames", backend, "frames/s", "PyTorch, frames/s", "ratio of times"];
  console.log([...tableLines([head, ...cells]), "", rows[0]!.device].join("\n"));
}

function rateText(rate: number | null): string {
  return rate === null ? "-" : rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3);
}
