import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeAtomically } from "@coordtok/core/node";
import { root } from "./check-command.js";
import { creditsText, int8Checkpoint, starterFiles } from "./starter-package.js";

/*
 * Makes weights and the credits of packages/starter again from weights in the form of the reference, such as its training script
 * writes:
 *   pnpm starter [FILE=WEIGHTS.safetensors ...]
 * FILE is a name in packages/starter/weights; without arguments only the credits are made, from ../shared/starter/TRAINED_ON.json.
 */

const folder = join(root, "packages", "starter");
for (const argument of process.argv.slice(2)) {
  const [file = "", weights = ""] = argument.split("=", 2);
  if (!starterFiles.includes(file) || weights === "") {
    console.error(`Expected ${starterFiles.join(" or ")}, "=" and the weights to convert, got "${argument}".`);
    process.exit(2);
  }
  await writeAtomically(join(folder, "weights", file), int8Checkpoint(weights), { overwrite: true });
}
const trainedOn = readFileSync(join(root, "..", "shared", "starter", "TRAINED_ON.json"), "utf8");
await writeAtomically(join(folder, "CREDITS.md"), creditsText(trainedOn), { overwrite: true });
