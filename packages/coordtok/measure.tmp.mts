import { loadBackend } from "@coordtok/backend";
import { fitFrame } from "@coordtok/video";
import { readFrames } from "@coordtok/video/node";
import { SeamMeter, squaredErrorSum } from "@coordtok/metrics";
import { loadPretrained, encodeStream, decodeStream } from "coordtok";
import { SceneCuts } from "/work/wt/film/packages/coordtok/src/film/scene-cuts.ts";
const D = "/work/shared/data";
const films = [D + "/clips/mdn+shared-assets/tears-of-steel-battle-clip-medium.webm", D + "/free/videos/kmansoft+srtc/sintel_trailer.webm"];
const backend = await loadBackend("auto"); console.log(backend.name);
using model = await loadPretrained("starter");
if (model.form !== "lattice") throw new Error();
const size = { height: 128, width: 128 };
const budgetOf = (n: number) => ({ content: n, motion: n });
for (const path of films) {
  const frames: any[] = [];
  for await (const f of readFrames(path, { length: Number(process.env["N"] ?? 480), start: Number(process.env["S"] ?? 120) }, { size, resize: "fast" })) frames.push(f);
  const detector = new SceneCuts();
  const cuts = frames.flatMap((f, i) => (detector.isCut(f) ? [i] : []));
  for (const [split, overlap, channels] of [["scenes", 0, 32], ["scenes", 4, 32], ["fixed", 0, 32], ["scenes", 0, 8], ["fixed", 0, 8], ["scenes", 4, 8]] as const) {
    const t0 = performance.now();
    const borders: number[] = []; let windows = 0, floats = 0;
    const counted = (async function* () { for await (const w of encodeStream(frames, { model, fit: "crop", size, split, overlap, budget: budgetOf(channels) })) { windows++; const t = w.triplanes[0]!; floats += channels * (256 + 2 * 16 * t.yt.shape[1]); if (w.first > 0) for (let k = 0; k <= w.overlap; k++) borders.push(w.first + k); yield w; } })();
    let i = 0, error = 0; const decoded: any[] = [];
    for await (const d of decodeStream(counted, { model })) decoded.push({ ...d, data: d.data.slice() });
    const a = new SeamMeter({ borders, cuts }), b = new SeamMeter({ borders, cuts }), o = new SeamMeter({ borders, cuts });
    for (const d of decoded) { const f = frames[i++]; a.take(d); b.take(d, f); o.take(f); error += squaredErrorSum(f.data, d.data, 0, d.data.length); }
    const db = -10 * Math.log10(error / 255 ** 2 / (i * 128 * 128 * 3));
    console.log(path.split("/").at(-1), split, overlap, channels, "cuts", cuts.length, "windows", windows, "floats", floats, "dB", db.toFixed(3), "seam", a.score().ratio.toFixed(3), "of-original", o.score().ratio.toFixed(3), "seam-ref", b.score().ratio.toFixed(3), ((performance.now() - t0) / 1000).toFixed(1) + "s");
  }
}
