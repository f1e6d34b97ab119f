import { loadBackend } from "@coordtok/backend";
import { beforeAll, describe, type TestOptions } from "vitest";

/** The backends that every suite runs on. */
export type TestBackendName = "tensorflow" | "wasm" | "cpu" | "webgpu";

/** Whether tests can run on a backend here. */
export interface TestBackend {
  readonly name: TestBackendName;
  readonly available: boolean;
  /** The reason why they cannot. */
  readonly reason?: string;
}

const names: readonly TestBackendName[] = ["tensorflow", "wasm", "cpu"];
/** Only where they are asked for: software adapters, which machines without a graphics card have, take minutes for a suite. */
const onlyAsked: readonly TestBackendName[] = ["webgpu"];

/**
 * Tries every backend that the tests run on. `COORDTOK_TEST_BACKENDS=wasm,cpu` restricts them, and each of these must load; `webgpu` is
 * among them only when that variable names it.
 * @throws when that variable names another backend, or one that does not load.
 */
export async function testBackends(): Promise<TestBackend[]> {
  const asked = askedBackends();
  const wanted = asked ?? names;
  const found: TestBackend[] = [];
  for (const name of [...names, ...onlyAsked.filter((one) => wanted.includes(one))]) {
    if (!wanted.includes(name)) {
      found.push({ name, available: false, reason: "not among COORDTOK_TEST_BACKENDS" });
      continue;
    }
    try {
      await loadBackend(name, { purpose: "training" });
      found.push({ name, available: true });
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      if (asked !== undefined)
        throw new Error(`COORDTOK_TEST_BACKENDS asks for ${name}, which does not load: ${reason}`, { cause: thrown });
      found.push({ name, available: false, reason });
    }
  }
  return found;
}

function askedBackends(): readonly string[] | undefined {
  const asked = process.env["COORDTOK_TEST_BACKENDS"];
  if (asked === undefined || asked.trim() === "") return undefined;
  const wanted = asked.split(",").map((name) => name.trim());
  const all: readonly string[] = [...names, ...onlyAsked];
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0)
    throw new Error(`COORDTOK_TEST_BACKENDS may name ${all.join(", ")}; got ${unknown.join(", ")}.`);
  return wanted;
}

// Backends are tried once per test file while it is collected, so that the title of a skipped suite holds the reason.
const tried = await testBackends();

type SuiteBody = (backend: TestBackendName) => void;

/**
 * Runs a `describe` for every backend, with that backend selected before its tests run. A backend that is not available here gives
 * a skipped suite whose title holds the reason, which is also printed once. The options, for example `{ timeout: 60_000 }`, are
 * those of `describe`.
 */
export function describeEachBackend(title: string, body: SuiteBody): void;
export function describeEachBackend(title: string, options: TestOptions, body: SuiteBody): void;
export function describeEachBackend(title: string, ...rest: [SuiteBody] | [TestOptions, SuiteBody]): void {
  const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest;
  for (const { name, available, reason } of tried) {
    if (available) {
      describe(`${title} [${name}]`, options, () => {
        beforeAll(async () => {
          await loadBackend(name, { purpose: "training" });
        });
        body(name);
      });
    } else {
      warnOnce(name, reason ?? "unknown reason");
      describe.skip(`${title} [${name}: skipped, ${reason ?? "unknown reason"}]`, () => body(name));
    }
  }
}

const warned = new Set<TestBackendName>();

function warnOnce(name: TestBackendName, reason: string): void {
  if (warned.has(name)) return;
  warned.add(name);
  console.warn(`Tests on the backend ${name} are skipped: ${reason}`);
}
