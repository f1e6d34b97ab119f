import type { JSX } from "preact";
import { isEdited, noEdits, planeNames, type PlaneMode } from "../edits.js";
import type { Session } from "../session.js";
import { useStore } from "../store.js";
import type { PlaneName } from "../../worker/types.js";
import { Slider } from "./budget.js";

const modes: readonly { readonly mode: PlaneMode; readonly title: string }[] = [
  { mode: "kept", title: "Keep" },
  { mode: "blank", title: "Blank" },
  { mode: "frozen", title: "Freeze" },
  { mode: "swapped", title: "Swap" },
];

const brushes = [
  { factor: undefined, title: "Off" },
  { factor: 0, title: "Erase" },
  { factor: 2.5, title: "Boost" },
  { factor: 1, title: "Restore" },
] as const;

/** What can be done to the planes before they are decoded. */
export function EditsPanel({ session }: { session: Session }): JSX.Element {
  const edits = useStore(session.state, (state) => state.edits);
  const cells = useStore(session.state, (state) => state.film?.windows[0]?.tiles[0]?.yt.shape[0] ?? 4);
  const brush = useStore(session.state, (state) => state.brush);
  return (
    <section class="card" aria-labelledby="edits-title">
      <div class="card-head">
        <h3 id="edits-title">Change the planes</h3>
        <button
          type="button"
          class="link"
          disabled={!isEdited(edits)}
          onClick={() => void session.edit({ ...noEdits, budget: edits.budget })}
        >
          Undo all
        </button>
      </div>
      {planeNames.map((plane) => (
        <ModeRow session={session} plane={plane} mode={edits.modes[plane]} key={plane} />
      ))}
      {(["yt", "xt"] as const).map((plane) => (
        <Slider
          key={plane}
          label={`Shift ${plane}`}
          hint="along time, round the end of a window"
          min={-Math.floor(cells / 2)}
          max={Math.floor(cells / 2)}
          value={edits.shift[plane]}
          text={`${edits.shift[plane] > 0 ? "+" : ""}${String(edits.shift[plane])}`}
          colour={`--${plane}`}
          onInput={(value) => void session.edit({ shift: { ...edits.shift, [plane]: value } })}
        />
      ))}
      <div class="row">
        <span class="label">Paint</span>
        <div class="segmented" role="group" aria-label="Brush for the planes">
          {brushes.map(({ factor, title }) => (
            <button
              type="button"
              key={title}
              aria-pressed={brush === factor}
              onClick={() => session.state.set({ brush: factor })}
            >
              {title}
            </button>
          ))}
        </div>
      </div>
    </section>
  );
}

function ModeRow({ session, plane, mode }: { session: Session; plane: PlaneName; mode: PlaneMode }): JSX.Element {
  const set = (next: PlaneMode): void =>
    void session.edit({ modes: { ...session.state.get().edits.modes, [plane]: next } });
  return (
    <div class="row">
      <span class={`plane-name plane-name-${plane}`}>{plane}</span>
      <div class="segmented" role="group" aria-label={`Plane ${plane}`}>
        {modes.map((one) => (
          <button type="button" key={one.mode} aria-pressed={mode === one.mode} onClick={() => set(one.mode)}>
            {one.title}
          </button>
        ))}
      </div>
    </div>
  );
}
