import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { problems, run, temporaryFolder } from "./check-command.js";

/** Programs other than Node, by the npm package that brings each, in the version that was tried. */
const runtimes = [
  { name: "bun", version: "1.4.5", start: ["run"] },
  { name: "deno", version: "2.9.6", start: ["run", "--allow-all"] },
] as const;

/**
 * Runs the program of `pack-snippet.ts`, `coordtok info` and `coordtok reconstruct` in a project with the packed packages under Bun and
 * Deno, which npm brings; says so where it does not.
 * @returns what went wrong, empty when nothing did.
 */
export async function checkRuntimes(project: string): Promise<string> {
  const found: string[] = [];
  for (const { name, version, start } of runtimes) {
    const folder = temporaryFolder(name);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "runtime", private: true }));
    const options = ["--no-audit", "--no-fund", "--loglevel=error"];
    const installed = await run("npm", ["install", ...options, `${name}@${version}`], { cwd: folder });
    const program = join(folder, "node_modules", ".bin", name);
    if (!installed.ok || !existsSync(program)) {
      console.log(`packed: not tried under ${name}, which npm does not bring here: ${firstLine(installed.output)}`);
      continue;
    }
    const command = join(project, "node_modules", "coordtok", "dist", "cli", "main.js");
    const made = join(project, `of-${name}`);
    for (const args of [
      [join(project, "out", "pack-snippet.js")],
      [command, "info", "clip.mp4"],
      [command, "reconstruct", "clip.mp4", "--length", "8", "--backend", "wasm", "--out", made],
    ]) {
      const outcome = await run(program, [...start, ...args], { cwd: project, limitSeconds: 180 });
      if (!outcome.ok || /\bUncaught\b/.test(outcome.output))
        found.push(`${name} ${args.join(" ")} failed:\n${problems(outcome) || outcome.output}`);
    }
    if (!existsSync(join(made, "report.json"))) found.push(`coordtok reconstruct under ${name} writes no report.`);
  }
  return found.join("\n");
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
