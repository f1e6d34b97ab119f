import { join } from "node:path";
import { checkStored, sourceIdentitySchema, type SourceIdentity } from "@coordtok/core/checks";
import { readTextIfThere, writeAtomically } from "@coordtok/core/node";
import { parseStoredJson } from "@coordtok/core/text";
import * as v from "valibot";

const recordsName = ".coordtok-results.json";
const longestRecords = 2 ** 26;

/** What one result was made from. */
export interface ResultRecord {
  readonly source: SourceIdentity;
  readonly settings: string;
  readonly result: SourceIdentity;
}

const recordsSchema: v.GenericSchema<unknown, { readonly version: 1; readonly results: Record<string, ResultRecord> }> =
  v.object({
    version: v.literal(1),
    results: v.record(
      v.pipe(v.string(), v.maxLength(10_000)),
      v.object({ source: sourceIdentitySchema, settings: v.string(), result: sourceIdentitySchema }),
    ),
  });

/** Reads the records of a folder of results, by the name of the result. @throws CoordTokError `file-format`. */
export async function readRecords(out: string): Promise<Map<string, ResultRecord>> {
  const path = join(out, recordsName);
  const text = await readTextIfThere(path, { mostBytes: longestRecords });
  if (text === undefined) return new Map();
  let parsed: unknown;
  try {
    parsed = parseStoredJson(text);
  } catch {
    parsed = undefined;
  }
  return new Map(Object.entries(checkStored(recordsSchema, parsed, `"${path}"`).results));
}

/** Writes the records of a folder of results. */
export async function writeRecords(out: string, records: ReadonlyMap<string, ResultRecord>): Promise<void> {
  const content = { version: 1, results: Object.fromEntries(records) };
  await writeAtomically(join(out, recordsName), `${JSON.stringify(content)}\n`, { overwrite: true });
}
