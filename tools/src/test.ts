import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findProgram } from "@coordtok/core/node";
import { closingLine } from "./check-output.js";
import { summaryFileVariable, withoutFfmpegVariable, type SkippedTest, type TestSummary } from "./test-reporter.js";

const root = join(import.meta.dirname, "../..");

/** Runs vitest once over the repository; the arguments are vitest's own (a file filter, `-t title`). */
async function main(args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "coordtok-test-"));
  const summaryFile = join(folder, "summary.json");
  try {
    const programs = await Promise.all(["ffmpeg", "ffprobe"].map((name) => findProgram(name)));
    const code = await runVitest(args, summaryFile, programs.includes(undefined));
    const { passed, failed, skipped } = readSummary(summaryFile);
    for (const line of skippedLines(skipped)) console.log(line);
    // A run without tests and a crash are failures for vitest, and so they are here.
    console.log(closingLine(passed, code === 0 ? failed : Math.max(failed, 1), skipped.length));
    return code === 0 && failed > 0 ? 1 : code;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runVitest(args: readonly string[], summaryFile: string, withoutFfmpeg: boolean): Promise<number> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
  const reporters = ["--reporter=default", `--reporter=${join(import.meta.dirname, "test-reporter.ts")}`];
  // pnpm puts this between the script's arguments and the user's.
  const ours = args[0] === "--" ? args.slice(1) : args;
  const left = withoutFfmpeg ? ["--tags-filter=!ffmpeg"] : [];
  const child = spawn(process.execPath, [vitest, "run", ...reporters, ...left, ...ours], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, [summaryFileVariable]: summaryFile, [withoutFfmpegVariable]: withoutFfmpeg ? "1" : "0" },
  });
  // Ctrl-C reaches vitest too; this process waits for it to end.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** Reads the summary; a run that ended before writing it counts as one failure. */
function readSummary(file: string): TestSummary {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as TestSummary;
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  }
}

function skippedLines(skipped: readonly SkippedTest[]): string[] {
  return [...groupByReason(skipped)].flatMap(([reason, names]) => [
    `skipped: ${reason}`,
    ...names.slice(0, 10).map((name) => `  ${name}`),
    ...(names.length > 10 ? [`  and ${names.length - 10} more`] : []),
  ]);
}

function groupByReason(skipped: readonly SkippedTest[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { name, reason = "no reason given" } of skipped) groups.set(reason, [...(groups.get(reason) ?? []), name]);
  return groups;
}

process.exitCode = await main(process.argv.slice(2));
