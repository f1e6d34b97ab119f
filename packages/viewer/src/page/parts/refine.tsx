import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Session } from "../session.js";
import { useStore } from "../store.js";

/** Planes improved while the film plays. */
export function RefinePanel({ session }: { session: Session }): JSX.Element {
  const [steps, setSteps] = useState(20);
  const refined = useStore(session.state, (state) => state.refined);
  const can = useStore(session.state, (state) => state.film !== undefined && session.frames.hasOriginal);
  return (
    <section class="card" aria-labelledby="refine-title">
      <h3 id="refine-title">Refine</h3>
      <p class="note">
        The planes move toward the video while the decoder stays as it is; each window appears as soon as it is better.
      </p>
      <div class="row">
        <label class="inline">
          <span class="label">Steps</span>
          <select value={String(steps)} onChange={(event) => setSteps(Number(event.currentTarget.value))}>
            {[5, 10, 20, 40].map((value) => (
              <option value={String(value)} key={value}>
                {value}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="button" disabled={!can} onClick={() => void session.refine(steps)}>
          Refine
        </button>
        {refined > 0 && <span class="note">{refined} steps so far</span>}
      </div>
    </section>
  );
}
