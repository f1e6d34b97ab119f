import { CoordTokError, givenText } from "@coordtok/core";
import { planeNames, type Triplane } from "@coordtok/triplane";

/**
 * Checks that a value is a triplane as the decoders take it.
 * @throws CoordTokError `input`.
 */
export function checkTriplane(value: Triplane): void {
  const planes = (value as Partial<Triplane> | null | undefined) ?? {};
  if (planeNames.every((name) => planes[name]?.shape?.length === 4)) return;
  throw new CoordTokError(
    "input",
    `Expected a triplane with the planes ${planeNames.join(", ")}, as encode gives it, got ${givenText(value)}.`,
  );
}
