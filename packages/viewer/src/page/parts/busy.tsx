import type { JSX } from "preact";
import { bytesText } from "../format.js";
import type { Session } from "../session.js";
import type { Busy } from "../state.js";
import { useStore } from "../store.js";

/** What is being done, how far it is, and a way to stop it; and what went wrong. */
export function BusyLine({ session }: { session: Session }): JSX.Element {
  const busy = useStore(session.state, (state) => state.busy);
  const error = useStore(session.state, (state) => state.error);
  const share = busy?.total === undefined || busy.total === 0 ? undefined : busy.done / busy.total;
  return (
    <>
      <div class={busy ? "busy" : "busy busy-done"} role="status" aria-live="polite">
        <div
          class="busy-bar"
          style={{ "--share": share ?? 0 }}
          data-unknown={busy !== undefined && share === undefined}
        />
        {busy && (
          <div class="busy-text">
            <span>{textOf(busy)}</span>
            <button type="button" class="link" onClick={() => session.stop()}>
              Stop
            </button>
          </div>
        )}
      </div>
      {error !== undefined && (
        <div class="error" role="alert">
          <p>{error}</p>
          <button type="button" class="link" onClick={() => session.showError(undefined)}>
            Dismiss
          </button>
        </div>
      )}
    </>
  );
}

function textOf({ what, done, total, unit, detail }: Busy): string {
  const figures =
    unit === "" || total === undefined
      ? ""
      : unit === "bytes"
        ? `, ${bytesText(done)} of ${bytesText(total)}`
        : `, ${String(Math.min(done, total))} of ${String(total)} ${unit}`;
  return `${what}${figures}${detail === undefined ? "" : `, ${detail}`}`;
}
