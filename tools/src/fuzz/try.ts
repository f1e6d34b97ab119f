import { allTargets } from "./targets.js";
import { fuzz } from "./run-fuzz.js";
const { targets, dispose } = await allTargets();
const only = process.argv[4];
const chosen = only ? targets.filter(({ name }) => only.split(",").includes(name)) : targets;
for (const t of chosen) {
  const t0 = performance.now();
  for (const s of t.seeds) {
    try {
      let p = false;
      await t.read(
        s,
        () => {
          p = true;
        },
        () => {},
      );
      if (!p) console.log(t.name, "seed not past");
    } catch (e) {
      console.log(t.name, "seed refused", String(e).slice(0, 300));
    }
  }
  const t1 = performance.now();
  const [[, r]] = [
    ...(await fuzz([t], { inputs: Number(process.argv[2] ?? 300), seed: Number(process.argv[3] ?? 1) })),
  ] as any;
  const { failures, ...f } = r;
  console.log(
    t.name,
    JSON.stringify({
      inputs: f.inputs,
      read: f.read,
      refused: f.refused,
      past: f.pastHeader,
      slow: Math.round(f.slowestMs),
      mb: Math.round(f.mostBytes / 2 ** 20),
    }),
    Math.round(performance.now() - t1),
    "ms",
    failures.length,
    "failures",
  );
  const seen = new Set();
  for (const x of failures) {
    const k = x.problem.slice(0, 120);
    if (seen.has(k)) continue;
    seen.add(k);
    console.log("   #" + x.index, x.problem.split("\n").slice(0, 6).join("\n      "));
  }
}
dispose();
