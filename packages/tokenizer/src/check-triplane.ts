import { CoordTokError } from "@coordtok/core";
import { givenText } from "@coordtok/core/checks";
import { planeNames, type PlaneName, type Triplane } from "@coordtok/triplane";

/**
 * Checks that a value is a triplane as the decoders take it.
 * @throws CoordTokError `input`.
 */
export function checkTriplane(value: Triplane): void {
  const given: unknown = value;
  const planes = (given ?? {}) as Readonly<Partial<Record<PlaneName, { readonly shape?: readonly number[] }>>>;
  if (planeNames.every((name) => planes[name]?.shape?.length === 4)) return;
  throw new CoordTokError(
    "input",
    `Expected a triplane with the planes ${planeNames.join(", ")}, as encode gives it, got ${givenText(value)}.`,
  );
}
