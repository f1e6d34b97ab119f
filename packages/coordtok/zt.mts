import { loadBackend } from "@coordtok/backend";
import { preset, overrideConfig, CoordTok, encode, decode } from "@coordtok/tokenizer";
import { trainTokenizer } from "@coordtok/tokenizer/train";
import { syntheticClip } from "./src/synthetic-clip.ts";
import { psnrOfRgb } from "@coordtok/metrics";
import { clipFromRgb, rgbFromClip, treeSize } from "@coordtok/core";
import * as tf from "@tensorflow/tfjs-core";
const [backend, steps, settings, ...sets] = process.argv.slice(2);
await loadBackend(backend as never, { purpose: "training" });
const config = overrideConfig(preset("demo"), sets);
const rgb = syntheticClip({ frameCount: 64, height: 64, width: 64, seed: 0 } as never);
const t0 = performance.now(); let last: any; let at = t0;
for await (const s of trainTokenizer({ config, clips: [rgb], seed: 0, settings: { totalSteps: Number(steps), ...JSON.parse(settings!) } })) {
  last = s; if (s.report.step === 1) { at = performance.now(); console.log("params", treeSize(s.state.params)); }
  if (s.report.step % 50 === 0) console.log(s.report.step, s.report.psnrDb!.toFixed(2), s.report.gradientNorm.toFixed(3), ((performance.now() - at) / 1000 / (s.report.step-1)).toFixed(3) + " s/step", "mem", (tf.memory().numBytes/1e6).toFixed(0));
}
console.log("trained s", (performance.now() - t0) / 1000);
for (const w of ["average", "params"]) {
const tok = CoordTok.from(config, last.state[w]);
const clip = clipFromRgb([rgb]);
for (const sliceSize of [1024, 4096]) {
const z = tok.encode(clip); const t1 = performance.now(); const out = await tok.decode(z, {sliceSize}); console.log(w, sliceSize, "psnr", psnrOfRgb(rgb, await rgbFromClip(out)).clipDb, "decode s", (performance.now()-t1)/1000); }
}
