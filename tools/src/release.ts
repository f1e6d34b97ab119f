import { spawnSync } from "node:child_process";
import { root } from "./check-command.js";
import { rootOrigin } from "./package-metadata.js";

/** Runs a step in the terminal of whoever makes the release; ends the program where it fails. */
function step(command: string, ...args: readonly string[]): void {
  console.log(`> ${[command, ...args].join(" ")}`);
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, NPM_CONFIG_PROVENANCE: "true" },
  });
  if (status !== 0) process.exit(status ?? 1);
}

if (rootOrigin().repository === undefined) {
  console.error(
    "A release says where it comes from (provenance), and package.json names no repository; add it there and run pnpm metadata.",
  );
  process.exit(1);
}
step("pnpm", "check");
step("turbo", "run", "build");
step("changeset", "publish");
