import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { root } from "./check-command.js";

const target = join(root, "packages/backend/src/browser/stock-wasm.ts");

/** Writes the module that holds tfjs-backend-wasm's file for pages; a test beside it compares it with the installed package. */
export async function writeStockWasm(): Promise<string> {
  const require = createRequire(createRequire(import.meta.url).resolve("@coordtok/backend/package.json"));
  const manifest = require.resolve("@tensorflow/tfjs-backend-wasm/package.json");
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const bytes = await readFile(join(dirname(manifest), "wasm-out/tfjs-backend-wasm-simd.wasm"));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const text =
    `// Made from tfjs-backend-wasm ${version} (Apache-2.0) by "pnpm kernels"; a test compares it with the installed package.\n\n` +
    "/** The file tfjs-backend-wasm-simd.wasm, so that a bundle needs no file beside it, as deflated base64 with the SHA-256 of the file. */\n" +
    "export const stockWasm: { readonly sha256: string; readonly deflated: string } = {\n" +
    `  sha256: "${sha256}",\n  deflated:\n    "${deflateRawSync(bytes, { level: 9 }).toString("base64")}",\n};\n`;
  await writeFile(target, text);
  return `${target}: ${bytes.length} bytes, SHA-256 ${sha256}`;
}
