import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setupIn } from "../../../packages/backend/src/setup/setup.js";
import type { SetupWorld } from "../../../packages/backend/src/setup/options.js";

// `setup` on a machine that is made up: programs, wheels and a package in the folder `machine` of the current folder.

const root = join(process.cwd(), "machine");
const facts = JSON.parse(readFileSync(join(root, "facts.json"), "utf8")) as Pick<
  SetupWorld,
  "machine" | "knownWheels" | "tfjsNodeSum"
>;
const world: SetupWorld = {
  ...facts,
  env: { PATH: join(root, "bin"), HOME: root, FAKE_ROOT: root },
  freeBytes: () => Promise.resolve(1e12),
  selfTest: () => Promise.resolve({ tensorflow: "2.18.1", devices: ["made up"], gigaflops: 100 }),
  fusedTest: () => Promise.resolve(),
};
try {
  await setupIn(world, { cacheDir: join(process.cwd(), "cache") });
} catch (thrown) {
  const { isCoordTokError } = await import("@coordtok/core");
  if (!isCoordTokError(thrown)) throw thrown;
  console.error(`Error: ${thrown.message}`);
  process.exitCode = 1;
}
