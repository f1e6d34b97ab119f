import { isSameSource } from "@coordtok/core/checks";
import { identifySource } from "@coordtok/core/node";
import { EvaluationFolder } from "./evaluation-folder.js";
import { siblingsOf } from "./part-folders.js";
import type { RecordedContent, SideSettings } from "./settings.js";

/** What an evaluation recorded of its videos, by name. */
export type KnownContents = ReadonlyMap<string, RecordedContent>;

/** What the folder of an evaluation, or those of its other parts, record of the videos of both sides; nothing for a folder that cannot be read. */
export async function earlierContents(folder: string): Promise<Readonly<Record<"reference" | "other", KnownContents>>> {
  const reference = new Map<string, RecordedContent>();
  const other = new Map<string, RecordedContent>();
  const take = (side: SideSettings | undefined, into: Map<string, RecordedContent>): void => {
    for (const content of side?.contents ?? []) if (!into.has(content.name)) into.set(content.name, content);
  };
  for (const one of await siblingsOf(folder)) {
    const settings = await new EvaluationFolder(one).settings().catch(() => undefined);
    take(settings?.reference, reference);
    take(settings?.other, other);
  }
  return { reference, other };
}

/**
 * The content of a video. What was counted before stands with it, if the content is still the same.
 * @throws CoordTokError `file-not-found`, `file-read`, `aborted`.
 */
export async function contentOf(
  name: string,
  path: string,
  earlier: KnownContents,
  signal: AbortSignal | undefined,
): Promise<RecordedContent> {
  const known = earlier.get(name);
  const now = await identifySource(path, { known, signal });
  return known !== undefined && isSameSource(known, now) ? { ...known, ...now } : { name, ...now };
}
