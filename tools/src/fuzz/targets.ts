import { loadBackend } from "@coordtok/backend";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filmTargets } from "./film-targets.js";
import { folderTargets } from "./folder-targets.js";
import { keptTargets } from "./kept-targets.js";
import { listTargets } from "./list-targets.js";
import { programTargets } from "./program-targets.js";
import { weightsTargets } from "./weights-targets.js";
import type { FuzzTarget } from "./run-fuzz.js";

/** Every format that is read, with a backend for its tensors. `dispose` removes the folder that some of them work in. */
export async function allTargets(): Promise<{ readonly targets: readonly FuzzTarget[]; readonly dispose: () => void }> {
  await loadBackend("cpu");
  const scratch = mkdtempSync(join(tmpdir(), "coordtok-fuzz-"));
  const targets = [
    ...(await weightsTargets()),
    ...(await filmTargets()),
    ...(await folderTargets(scratch)),
    ...(await keptTargets(join(scratch, "kept"))),
    ...programTargets(),
    ...listTargets(),
  ];
  return { targets, dispose: () => rmSync(scratch, { recursive: true, force: true }) };
}
