import { getDotPath, safeParse, type GenericSchema, type InferOutput } from "valibot";
import { CoordTokError } from "../errors.js";

/**
 * Checks what was read from a file against the schema of its format.
 * @param schema made with valibot.
 * @param where what messages call it, such as `"runs/a/config.json"` or `line 3 of "clips.jsonl"`.
 * @returns what the schema makes of it.
 * @throws CoordTokError `file-format` naming the first field that is wrong, what was expected there and what stands there.
 */
export function checkStored<const Schema extends GenericSchema>(
  schema: Schema,
  value: unknown,
  where: string,
): InferOutput<Schema> {
  const result = safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = getDotPath(issue);
  const found = issue.received.length > 100 ? `${issue.received.slice(0, 100)}…` : issue.received;
  throw new CoordTokError(
    "file-format",
    `Expected ${issue.expected ?? issue.message}${field === null ? "" : ` for ${field}`} in ${where}, got ${found}; the file is damaged, or of another version.`,
  );
}
