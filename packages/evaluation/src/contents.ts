import { isSameSource } from "@coordtok/core/checks";
import { identifySource } from "@coordtok/core/node";
import { EvaluationFolder } from "./evaluation-folder.js";
import type { RecordedContent, SideSettings } from "./settings.js";

/** What an evaluation recorded of its videos, by name. */
export type KnownContents = ReadonlyMap<string, RecordedContent>;

/** What the folder of an evaluation records of the videos of both sides; nothing for a folder that cannot be read. */
export async function earlierContents(folder: string): Promise<Readonly<Record<"reference" | "other", KnownContents>>> {
  const settings = await new EvaluationFolder(folder).settings().catch(() => undefined);
  const byName = (side: SideSettings | undefined): KnownContents =>
    new Map((side?.contents ?? []).map((content) => [content.name, content]));
  return { reference: byName(settings?.reference), other: byName(settings?.other) };
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
