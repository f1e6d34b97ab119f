import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { root, run } from "./check-command.js";

/** The compiler version that reproduces the committed files byte for byte; another version may not. */
const zigVersion = "0.17.1";

const sources = ["kernels.cc", "measures.cc", "wasm.cc"].map((name) => join(root, "packages/backend/kernels", name));
const target = join(root, "packages/backend/src/fused/wasm-files.ts");

const features = "mvp+simd128+bulk_memory+sign_ext+nontrapping_fptoint+mutable_globals";
/** The builds, the fastest first; an engine takes the first one that it supports. */
const builds = { "relaxed SIMD": `${features}+relaxed_simd`, SIMD: features } as const;

const compilerArguments =
  "c++ -target wasm32-freestanding -std=c++17 -O3 -ffp-contract=off -fno-math-errno -fno-exceptions -fno-rtti " +
  "-fvisibility=hidden -nostdlib -Wl,--no-entry -Wl,--import-memory -Wl,--export=__stack_pointer -Wl,--strip-all";

/** Finds the program that runs zig, or the reason why there is none. */
async function findZig(): Promise<{ command: readonly string[] } | { reason: string }> {
  const python = process.env["ZIG_PYTHON"] ?? "python3";
  const command = [python, "-m", "ziglang"];
  const { ok, output } = await run(python, ["-m", "ziglang", "version"]).catch(() => ({ ok: false, output: "" }));
  if (ok && output.trim() === zigVersion) return { command };
  const found = ok ? `has ziglang ${output.trim()}` : "has no ziglang";
  return {
    reason: `${python} ${found}; pip install ziglang==${zigVersion} in a Python that ZIG_PYTHON names`,
  };
}

/** Compiles every build. */
async function compile(zig: readonly string[]): Promise<Map<string, Buffer>> {
  const folder = await mkdtemp(join(tmpdir(), "coordtok-wasm-"));
  try {
    const files = new Map<string, Buffer>();
    for (const [name, cpu] of Object.entries(builds)) {
      const file = join(folder, "kernels.wasm");
      const [program = "", ...before] = zig;
      const args = [...before, ...compilerArguments.split(" "), `-mcpu=${cpu}`, ...sources, "-o", file];
      const { ok, output } = await run(program, args, { cwd: folder });
      if (!ok) throw new Error(`zig could not compile the kernels:\n${output}`);
      const bytes = await readFile(file);
      if (sections(bytes).includes(11))
        throw new Error(`The build "${name}" has a data section, which is not supported.`);
      files.set(name, bytes);
    }
    return files;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The identifiers of the sections of a wasm file. */
function sections(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = 8; at < bytes.length;) {
    found.push(bytes[at++]!);
    let [size, shift] = [0, 0];
    for (let more = true; more; shift += 7) {
      const byte = bytes[at++]!;
      size |= (byte & 127) << shift;
      more = byte >= 128;
    }
    at += size;
  }
  return found;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function moduleText(files: ReadonlyMap<string, Buffer>): string {
  const rows = [...files].map(([name, bytes]) => {
    const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
    const deflated = deflateRawSync(bytes, { level: 9 }).toString("base64");
    return `  ${key}: {\n    sha256: "${sha256(bytes)}",\n    deflated:\n      "${deflated}",\n  },\n`;
  });
  return (
    `// Made from packages/backend/kernels by "pnpm kernels" with ziglang ${zigVersion}; "pnpm check kernels" proves it.\n\n` +
    "/** The fused operations for wasm: the fastest build first, as deflated base64 with the SHA-256 of the file. */\n" +
    "export const wasmFiles: Readonly<Record<string, { readonly sha256: string; readonly deflated: string }>> = {\n" +
    `${rows.join("")}};\n`
  );
}

/**
 * Compares the committed files with those compiled from the source. The result is empty when they are equal, or the reason why they
 * cannot be compared here.
 */
export async function wasmKernelProblems(): Promise<string | { readonly skipped: string }> {
  const text = await readFile(target, "utf8");
  const committed = [...text.matchAll(/sha256: "(\w+)",\s+deflated:\s+"([^"]+)"/g)];
  if (committed.length !== Object.keys(builds).length) return `${target} does not hold the builds; run pnpm kernels.`;
  const broken = committed.some(([, hash, data]) => sha256(inflateRawSync(Buffer.from(data!, "base64"))) !== hash);
  if (broken) return `${target} does not match its hashes; run pnpm kernels.`;
  const zig = await findZig();
  if ("reason" in zig) return { skipped: zig.reason };
  const made = [...(await compile(zig.command)).values()].map(sha256);
  const same = committed.every(([, hash], i) => hash === made[i]);
  return same ? "" : `${target} differs from the source in packages/backend/kernels; run pnpm kernels.`;
}

/** Compiles the kernels and writes the module that holds them. */
export async function writeWasmKernels(): Promise<string> {
  const zig = await findZig();
  if ("reason" in zig) throw new Error(`The kernels need zig: ${zig.reason}.`);
  const files = await compile(zig.command);
  await writeFile(target, moduleText(files));
  return [...files].map(([name, bytes]) => `${name}: ${bytes.length} bytes, SHA-256 ${sha256(bytes)}`).join("\n");
}
