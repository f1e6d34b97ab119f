/** The first program in a README. */
export interface Snippet {
  readonly code: string;
  readonly language: "ts" | "js";
  /** Whether it is run; the fence may say ```` ```ts no-run because it needs a GPU ````. */
  readonly runs: boolean;
}

/**
 * Finds the first block of a Markdown text that is fenced as `ts` or `js`.
 * @throws Error when it is marked `no-run` without a reason.
 */
export function firstSnippet(markdown: string): Snippet | undefined {
  const match = /^```(ts|js)\b([^\n]*)\n(.*?)^```\s*$/ms.exec(markdown);
  if (!match) return undefined;
  const [, language, info = "", code = ""] = match;
  const [mark, ...reason] = info.trim().split(/\s+/);
  if (mark === "no-run" && reason.length === 0) throw new Error("A snippet is marked no-run without a reason.");
  return { code, language: language === "js" ? "js" : "ts", runs: mark !== "no-run" };
}
