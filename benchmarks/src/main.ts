import { isCoordTokError, messageOf } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { loadBackend } from "@coordtok/backend";
import { arch, cpus, loadavg, platform } from "node:os";
import { parseArgs } from "node:util";
import { memoryRows, type MemoryRow } from "./memory.js";

const help = `Usage: pnpm bench [options]

Peak tensor bytes of one training step against the length of the clip, for N sampled patches and for every patch.

Options:
  --preset NAME    tokenizer (default: tiny)
  --frames LIST    lengths of the clip in frames, multiples of 8 (default: 16,32,64,128,256)
  --points N       patches decoded together (default: 1024)
  --backend NAME   auto, tensorflow, wasm or cpu (default: auto)
  --json FILE      also write the rows as JSON; an existing file is replaced
  -h, --help       print this help`;

process.exitCode = await main(process.argv.slice(2).filter((arg) => arg !== "--"));

async function main(argv: string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        preset: { type: "string", default: "tiny" },
        frames: { type: "string", default: "16,32,64,128,256" },
        points: { type: "string", default: "1024" },
        backend: { type: "string", default: "auto" },
        json: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) console.log(help);
    else await run({ ...values, frames: wholeNumbers(values.frames), points: wholeNumbers(values.points)[0]! });
    return 0;
  } catch (thrown) {
    const known = isCoordTokError(thrown) || (thrown instanceof TypeError && "code" in thrown);
    console.error(known ? messageOf(thrown) : thrown);
    return known ? 1 : 70;
  }
}

function wholeNumbers(text: string): number[] {
  return text.split(",").map((part) => {
    if (!/^[1-9][0-9]*$/.test(part))
      throw Object.assign(new TypeError(`Expected whole numbers, got "${part}".`), { code: "usage" });
    return Number(part);
  });
}

async function run(options: {
  preset: string;
  frames: number[];
  points: number;
  backend: string;
  json?: string | undefined;
}): Promise<void> {
  if (loadavg()[0]! > 0.5)
    console.error(`Warning: the machine is busy (load ${loadavg()[0]!.toFixed(1)}); times mean little.`);
  const backend = await loadBackend(options.backend as "auto", { purpose: "training" });
  console.log(`${backend.name}: ${backend.device}; one step of preset ${options.preset}, N = ${options.points}`);
  console.log("frames  decoded       patches  peak MB  seconds");
  const rows: MemoryRow[] = [];
  for await (const row of memoryRows(options)) {
    rows.push(row);
    const cells = [
      String(row.frames).padEnd(6),
      row.decoded.padEnd(11),
      String(row.patches).padStart(8),
      (row.peakBytes / 1e6).toFixed(0).padStart(7),
      row.seconds.toFixed(2).padStart(7),
    ];
    console.log(cells.join("  "));
  }
  if (options.json === undefined) return;
  const facts = { backend: backend.name, device: backend.device, versions: backend.versions, node: process.version };
  const machine = { platform: platform(), arch: arch(), cpu: cpus()[0]?.model, cores: cpus().length };
  await writeAtomically(options.json, `${JSON.stringify({ ...facts, machine, rows }, undefined, 2)}\n`, {
    overwrite: true,
  });
}
