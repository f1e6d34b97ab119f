import { loadBackend } from "@coordtok/backend";
import { runParity } from "./src/parity/run-parity.ts";
import * as tf from "@tensorflow/tfjs-core";
await loadBackend(process.argv[2] as never, { purpose: "training" });
const before = tf.memory().numTensors;
const r = await runParity({ folders: ["../shared/fixtures"], kind: process.argv[3], onRun: (c, run, o) => console.log(o.passed ? "pass" : "FAIL", c.id, run.name, JSON.stringify(o.worst ?? o.reason)) });
console.log(r.passed, r.failed, r.notCovered, "leaked", tf.memory().numTensors - before);
