import { writeFileSync } from "node:fs";
import type { SerializedError } from "vitest";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** The data of the closing lines of a test run. */
export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly SkippedTest[];
}

/** A test that was not run. */
export interface SkippedTest {
  /** The file and titles, `file > suite > test`. */
  readonly name: string;
  /** The reason; `undefined` when the test does not give one. */
  readonly reason: string | undefined;
}

/** The environment variable that names the file a {@link SummaryReporter} writes to. */
export const summaryFileVariable = "COORDTOK_TEST_SUMMARY";

/** The environment variable that is 1 when tests with the tag `ffmpeg` are skipped. */
export const withoutFfmpegVariable = "COORDTOK_TEST_WITHOUT_FFMPEG";

/**
 * Writes a {@link TestSummary} as JSON at the end of a run. A file that could not be loaded and an error outside tests count as one
 * failure each, so that `0 failed` means that everything went well.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const file = process.env[summaryFileVariable];
    if (file === undefined) throw new Error(`${summaryFileVariable} does not name a file.`);
    writeFileSync(file, JSON.stringify(summarize(modules, unhandledErrors.length)));
  }
}

function summarize(modules: readonly TestModule[], unhandledErrors: number): TestSummary {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const state = (test: TestCase): string => test.result().state;
  const failedTests = tests.filter((test) => state(test) === "failed").length;
  const brokenSuites = modules.reduce((count, module) => {
    const suites = [module, ...module.children.allSuites()];
    return count + suites.filter((suite) => suite.errors().length > 0).length;
  }, 0);
  return {
    passed: tests.filter((test) => state(test) === "passed").length,
    failed: failedTests + brokenSuites + unhandledErrors,
    skipped: tests
      .filter((test) => state(test) === "skipped" || state(test) === "pending")
      .map((test) => ({ name: `${test.module.relativeModuleId} > ${test.fullName}`, reason: reasonOf(test) })),
  };
}

/** The text given to `context.skip(reason)`, otherwise the text after `skipped:` or `skipped,` in a title. */
function reasonOf(test: TestCase): string | undefined {
  const result = test.result();
  const note = result.state === "skipped" ? result.note : undefined;
  if (test.tags.includes("ffmpeg") && process.env[withoutFfmpegVariable] === "1")
    return "no ffmpeg and ffprobe on PATH";
  return note ?? /\bskipped[:,] (.*?)[)\]]?(?: > |$)/.exec(test.fullName)?.[1];
}
