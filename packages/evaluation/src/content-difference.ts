import { isSameSource } from "@coordtok/core/checks";
import { countText } from "@coordtok/core/text";
import type { EvaluationSettings, SideSettings } from "./settings.js";

/**
 * How the videos of two evaluations differ in content, as part of a sentence; `undefined` where they do not, or one of them has no record of it.
 */
export function contentDifference(one: EvaluationSettings, other: EvaluationSettings): string | undefined {
  for (const side of ["reference", "other"] as const) {
    const [first, second] = [one[side]?.contents, other[side]?.contents];
    if (first === undefined || second === undefined) continue;
    const before = new Map(first.map((content) => [content.name, content]));
    const changed = second.filter((content) => {
      const old = before.get(content.name);
      return old === undefined || !isSameSource(old, content);
    });
    const count = Math.max(changed.length, first.length - second.length);
    const name = changed[0]?.name ?? first.find((content) => !second.some((now) => now.name === content.name))?.name;
    if (name !== undefined) return `the content of ${countText(count, "video")} differs, the first is "${name}"`;
  }
  return undefined;
}

/** Settings without the content of the videos, which {@link contentDifference} compares. */
export function withoutContents(settings: EvaluationSettings): EvaluationSettings {
  const bare = ({ contents, ...side }: SideSettings): SideSettings => side;
  return {
    ...settings,
    reference: bare(settings.reference),
    other: settings.other === undefined ? undefined : bare(settings.other),
  };
}
