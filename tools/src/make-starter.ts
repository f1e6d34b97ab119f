import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeAtomically } from "@coordtok/core/node";
import { root } from "./check-command.js";
import { creditsText, int8Checkpoint, starterFiles } from "./starter-package.js";

/* Makes the weights and the credits of packages/starter again, from ../shared/starter: pnpm starter */

const shared = join(root, "..", "shared", "starter");
const folder = join(root, "packages", "starter");
for (const [file, reference] of Object.entries(starterFiles))
  await writeAtomically(join(folder, "weights", file), int8Checkpoint(join(shared, reference)), { overwrite: true });
const credits = creditsText(readFileSync(join(shared, "TRAINED_ON.json"), "utf8"));
await writeAtomically(join(folder, "CREDITS.md"), credits, { overwrite: true });
