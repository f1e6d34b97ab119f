import { readFileSync } from "node:fs";
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { readClip } from "@coordtok/video/node";
const data = "/work/shared/data/clips";
const trained = new Set((JSON.parse(readFileSync("/work/shared/starter/TRAINED_ON.json", "utf8")) as { files: { file: string }[] }).files.map((f) => f.file.split("/").slice(-2).join("/")));
const m = JSON.parse(readFileSync(data + "/MANIFEST.json", "utf8"));
const files = ((m.clips ?? m.files) as { file: string }[]).map((f) => f.file).filter((f) => !trained.has(f) && !trained.has(f.split("/").slice(-2).join("/")) && !/^(sihyun-yu|huiwon-jang)\+/.test(f));
console.log(files.length);
await loadBackend("tensorflow", { purpose: "inference" } as never);
const models = [];
for (const path of process.argv.slice(2)) { const s = await openFileSource(path); models.push(await LatticeCoordTok.load(s)); await s.close(); }
const sums = models.map(() => [0, 0]); let n = 0;
for (const f of files.filter((_, i) => i % 3 === 0)) {
  try {
    const clip = await readClip(`${data}/${f}`, { length: 32, size: { height: 128, width: 128 } } as never);
    const rgb = (clip as never as { clip?: never }).clip ?? clip;
    const t = clipFromRgb([rgb as never]);
    const x = await t.frames.data();
    for (const [i, model] of models.entries()) for (const [j, k] of [8, 32].entries()) {
      const z = model.encode(t, { budget: { content: k, motion: k } });
      const back = await model.decode(z); const y = await back.frames.data();
      let e = 0; for (let q = 0; q < x.length; q++) { const d = x[q]! - Math.max(-1, Math.min(1, y[q]!)); e += d * d; }
      sums[i]![j]! += 10 * Math.log10(4 / (e / x.length));
      for (const p of Object.values(z)) (p as never as { dispose(): void }).dispose(); back.frames.dispose();
    }
    t.frames.dispose(); n++;
    if (n % 10 === 0) console.log(n, sums.map((s) => s.map((v) => (v / n).toFixed(3)).join(" ")).join(" | "));
  } catch (e) { console.log(f, String(e).slice(0, 200)); }
}
console.log(n, sums.map((s) => s.map((v) => (v / n).toFixed(3)).join(" ")).join(" | "));
