import { expect, it } from "vitest";
import { describeSetup } from "./doctor.js";
import { selfTest } from "./self-test.js";
import { setupTensorflow } from "./setup.js";

const { installation, problem } = await describeSetup();
const title = problem === undefined ? "" : ` (skipped: ${problem})`;

it.skipIf(problem !== undefined)(
  `the installation here passes its test in a separate process${title}`,
  { timeout: 120_000 },
  async () => {
    if (installation === undefined) throw new Error("described without a problem");
    const result = await selfTest(installation.directory, process.env);
    expect(result.tensorflow).toBe(installation.tensorflow);
    expect(result.gigaflops).toBeGreaterThan(1);
    expect(result.devices.join()).toMatch(/CPU|GPU/);
  },
);

it.skipIf(problem !== undefined)(`the installation here is found again without a download${title}`, async () => {
  const { alreadySetUp } = await setupTensorflow();
  expect(alreadySetUp).toBe(true);
});
