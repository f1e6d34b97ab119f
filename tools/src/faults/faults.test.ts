import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileInjector } from "./compile-injector.js";
import { faultKinds, planOf, struck, tryFault, type Bench } from "./run-faults.js";
import { Scenarios } from "./scenarios.js";

const folder = mkdtempSync(join(tmpdir(), "coordtok-faults-"));
const injector = compileInjector(folder);
const missing = "missing" in injector ? injector.missing : undefined;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(missing !== undefined)(
  `a command that is struck at one of its operations on files${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    it("makes the same when it is started again", { timeout: 600_000 }, async () => {
      const inputs = join(folder, "inputs");
      mkdirSync(inputs);
      const path = "path" in injector ? injector.path : "";
      const bench: Bench = { injector: path, work: join(folder, "work"), log: join(folder, "operations") };
      const plan = await planOf(await new Scenarios(inputs, false).scenario("convert"), bench);
      expect(plan.operations.map(({ name }) => name)).toEqual(expect.arrayContaining(["open", "write", "fsync"]));
      expect(plan.varying.size).toBe(0);
      for (const kind of faultKinds)
        for (const operation of struck(plan, kind, 1, 3)) {
          const { problems } = await tryFault(plan, kind, operation, bench);
          // What a killed run leaves beside its output is told by the whole suite.
          expect([kind, operation, problems.filter((problem) => !problem.startsWith("left over"))]).toEqual([
            kind,
            operation,
            [],
          ]);
        }
    });
  },
);
