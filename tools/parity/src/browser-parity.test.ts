import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  addressOf,
  browserNames,
  bundleForBrowser,
  outcomeOfPage,
  programOnPath,
  servePage,
} from "@coordtok/tools/browser";
import { describe, expect, it } from "vitest";
import type { BrowserParity, ServedCase } from "./browser-page.js";
import { parseCase } from "./parity-case.js";
import { findCases } from "./read-case.js";

const own = fileURLToPath(new URL("../../../fixtures", import.meta.url));
const starter = fileURLToPath(new URL("../../../../shared/starter/fixtures", import.meta.url));
const program = programOnPath(browserNames);

type Files = Record<string, { readonly type: string; readonly body: Uint8Array }>;

/** The cases of the lattice form as a page serves them; each file once, under a name of its own. */
async function servedCases(): Promise<{ readonly ids: string[]; readonly files: Files }> {
  const found = await findCases([own, ...(existsSync(starter) ? [starter] : [])]);
  const names = new Map<string, string>();
  const files: Files = {};
  const serve = async (path: string): Promise<string> => {
    const known = names.get(path);
    if (known !== undefined) return known;
    const name = `${names.size}-${basename(path)}`;
    names.set(path, name);
    files[name] = { type: "application/octet-stream", body: await readFile(path) };
    return name;
  };
  const ids: string[] = [];
  const cases: ServedCase[] = [];
  for (const [id, folder] of found) {
    if (!id.startsWith("lattice/")) continue;
    const json = join(folder, "case.json");
    const { weights = "weights.safetensors" } = parseCase(await readFile(json, "utf8"), folder);
    ids.push(id);
    cases.push({
      json: await serve(json),
      inputs: await serve(join(folder, "inputs.safetensors")),
      weights: await serve(resolve(folder, weights as string)),
      outputs: await serve(join(folder, "outputs.safetensors")),
    });
  }
  files["cases.json"] = { type: "application/json", body: new TextEncoder().encode(JSON.stringify(cases)) };
  return { ids, files };
}

describe("the lattice form in headless Chromium", () => {
  it(
    "agrees with the stored results of every case, gradients included, and leaves no tensor behind",
    { timeout: 300_000 },
    async ({ skip }) => {
      if (program === undefined) return skip(`none of ${browserNames.join(", ")} is on PATH`);
      const bundle = await bundleForBrowser(join(import.meta.dirname, "browser-page.ts"));
      const { ids, files } = await servedCases();
      const server = await servePage({ script: bundle.outputFiles[0]!.text, files });
      try {
        const { backend, cases, leftTensors } = await outcomeOfPage<BrowserParity>(program, addressOf(server));
        expect(backend).toBe("wasm");
        expect(cases.filter(({ status }) => status !== "pass")).toEqual([]);
        expect(cases.map(({ id }) => id)).toEqual(ids);
        expect(ids.length).toBe(existsSync(starter) ? 8 : 3);
        expect(leftTensors).toBe(0);
      } finally {
        server.close();
      }
    },
  );
});
