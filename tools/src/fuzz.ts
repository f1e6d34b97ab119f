import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fuzzBitstreams } from "./fuzz/fuzz-bitstream.js";
import { fuzzReaders } from "./fuzz/fuzz-readers.js";

const folders = ["../../../shared/fixtures/torch", "../../fixtures/torch"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

const [inputs = 100_000, seed = 1] = process.argv.slice(2).map(Number);
const reports = {
  weights: await fuzzReaders(
    folders.find((folder) => existsSync(folder))!,
    inputs,
    seed,
  ),
  bitstream: await fuzzBitstreams(inputs, seed),
};
for (const [name, { failures, ...figures }] of Object.entries(reports)) {
  console.log(JSON.stringify({ name, ...figures, failures: failures.length }));
  for (const [index, { problem, input }] of failures.slice(0, 5).entries()) {
    const path = join(tmpdir(), `fuzz-${name}-${seed}-${index}.bin`);
    writeFileSync(path, input);
    console.log(`${problem}: ${path}`);
  }
}
process.exitCode = Object.values(reports).every(({ failures }) => failures.length === 0) ? 0 : 1;
