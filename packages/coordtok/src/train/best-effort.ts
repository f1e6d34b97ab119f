import { isCoordTokError, messageOf, type Notices } from "@coordtok/core";

/** What may go wrong when a picture or a preview is written. */
const failures: ReadonlySet<string> = new Set(["ffmpeg", "file-exists", "file-read", "file-write", "unsupported"]);

/** Draws pictures without which the work goes on: a full disk is said once. */
export function bestEffort({ onWarning }: Notices): (draw: () => Promise<unknown>) => Promise<void> {
  let warned = false;
  return async (draw) => {
    try {
      await draw();
    } catch (thrown) {
      if (!isCoordTokError(thrown) || !failures.has(thrown.code)) throw thrown;
      if (!warned) onWarning?.(`The training goes on without its pictures: ${messageOf(thrown)}`);
      warned = true;
    }
  };
}
