import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** What files hold, by path, without what differs from run to run. */
export type Content = ReadonlyMap<string, string>;

/** Parts of JSON that tell when and how fast. */
const passing = /(?:seconds|speed|at|date|ms|milliseconds)$/i;
/** What a run that was killed may leave, and the next one removes. */
const leftOver = /\.partial(?:\.\w+)?$|^\.unfinished-|\.lock(?:\.|$)|\.stale-|\.tmp$|^\.old-|\.download$/;

/** Reads the files below some names of a folder. */
export function contentOf(folder: string, names: readonly string[]): Content {
  const content = new Map<string, string>();
  const visit = (path: string): void => {
    const full = join(folder, path);
    if (!existsSync(full)) return;
    if (!statSync(full).isDirectory()) content.set(named(path), shown(path, readFileSync(full)));
    else for (const name of readdirSync(full).sort()) visit(`${path}/${name}`);
  };
  for (const name of names) visit(name);
  return content;
}

/** A text with the random ends of names, which `setup` gives its folders, left out. */
function named(text: string): string {
  return text.replace(/(?<=-x64-)[0-9a-f]{8}/g, "*");
}

/** The names below a folder that a killed run left and nobody removed. */
export function leftOvers(folder: string, names: readonly string[]): string[] {
  const all = readdirSync(folder, { recursive: true }).map(String);
  const inResults = (path: string): boolean => names.some((name) => path === name || path.startsWith(`${name}/`));
  // Beside the results lie unfinished files of results that are files.
  return all.filter(
    (path) => (inResults(path) || !path.includes("/")) && leftOver.test(path.slice(path.lastIndexOf("/") + 1)),
  );
}

/** How one content differs from another, in words; files in `varying` only have to be there. */
export function differencesOf(wanted: Content, found: Content, varying: ReadonlySet<string>): string[] {
  const differences: string[] = [];
  for (const [path, text] of wanted) {
    const other = found.get(path);
    if (other === undefined) differences.push(`${path} is missing`);
    else if (other !== text && !varying.has(path)) differences.push(`${path} differs`);
  }
  for (const path of found.keys()) if (!wanted.has(path)) differences.push(`${path} is there besides`);
  return differences;
}

function shown(path: string, bytes: Buffer): string {
  if (path.endsWith(".json") || path.endsWith(".jsonl")) {
    const lines = path.endsWith(".jsonl") ? bytes.toString("utf8").split("\n") : [bytes.toString("utf8")];
    try {
      return lines.map((line) => (line === "" ? "" : named(JSON.stringify(lasting(JSON.parse(line)))))).join("\n");
    } catch {
      return bytes.toString("utf8");
    }
  }
  return createHash("sha256").update(bytes).digest("hex");
}

function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (passing.test(name) ? [] : [[name, lasting(member)]])),
  );
}
