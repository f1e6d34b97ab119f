import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fuzzReaders } from "./fuzz/fuzz-readers.js";

const folders = ["../../../shared/fixtures/torch", "../../fixtures/torch"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

const [inputs = 100_000, seed = 1] = process.argv.slice(2).map(Number);
const report = await fuzzReaders(
  folders.find((folder) => existsSync(folder))!,
  inputs,
  seed,
);
const { failures, ...figures } = report;
console.log(JSON.stringify({ ...figures, failures: failures.length }));
for (const [index, { problem, input }] of failures.slice(0, 5).entries()) {
  const path = join(tmpdir(), `fuzz-${seed}-${index}.bin`);
  writeFileSync(path, input);
  console.log(`${problem}: ${path}`);
}
process.exitCode = failures.length === 0 ? 0 : 1;
