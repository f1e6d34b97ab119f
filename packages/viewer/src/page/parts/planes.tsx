import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { usePaint } from "../canvas.js";
import type { Session } from "../session.js";
import type { PlaneView } from "../state.js";
import { useStore } from "../store.js";
import type { PlaneName } from "../../worker/types.js";
import { cellsOf, type Cell } from "../geometry.js";
import { cellAt, paintPlane } from "./paint-planes.js";

const titles: Readonly<Record<PlaneName, string>> = {
  xy: "rows by columns",
  yt: "time by columns",
  xt: "time by rows",
};

/** The three planes, unfolded: yt below xy and xt beside it, since they share its columns and its rows. */
export function Planes({ session }: { session: Session }): JSX.Element {
  const aspect = useStore(session.state, () => `${String(session.frames.width)} / ${String(session.frames.height)}`);
  return (
    <section class="planes" aria-label="The planes">
      <header class="section-head">
        <h2>The three planes</h2>
        <PlaneViewChoice session={session} />
      </header>
      <div class="unfolded" style={{ "--aspect": aspect }}>
        <PlaneFigure session={session} plane="xy" />
        <PlaneFigure session={session} plane="xt" />
        <PlaneFigure session={session} plane="yt" />
        <PlanesNote session={session} />
      </div>
    </section>
  );
}

function PlaneViewChoice({ session }: { session: Session }): JSX.Element {
  const view = useStore(session.state, (state) => state.planeView);
  const channels = useStore(session.state, (state) => state.model?.channels ?? 32);
  const hasOriginal = useStore(session.state, () => session.frames.hasOriginal);
  const set = (planeView: PlaneView): void => session.state.set({ planeView });
  const channel = typeof view === "number" ? view : undefined;
  return (
    <div class="plane-view" role="group" aria-label="What the planes are drawn as">
      <div class="segmented">
        <button type="button" aria-pressed={view === "components"} onClick={() => set("components")}>
          Colours
        </button>
        <button type="button" aria-pressed={channel !== undefined} onClick={() => set(channel ?? 0)}>
          Channel
        </button>
        {hasOriginal && (
          <button type="button" aria-pressed={view === "slices"} onClick={() => set("slices")}>
            Video slices
          </button>
        )}
      </div>
      {channel !== undefined && (
        <label class="inline">
          <input
            type="range"
            aria-label="Channel"
            min="0"
            max={channels - 1}
            value={channel}
            onInput={(event) => set(Number(event.currentTarget.value))}
          />
          <span class="number">{channel}</span>
        </label>
      )}
    </div>
  );
}

function PlaneFigure({ session, plane }: { session: Session; plane: PlaneName }): JSX.Element {
  const reference = usePaint(session, (canvas) => paintPlane(session, canvas, plane));
  const painting = useRef(false);
  const mode = useStore(session.state, (state) => state.edits.modes[plane]);
  const point = (cell: Cell | undefined): void => {
    session.state.set({ pointer: cell && { at: "cell", cell } });
    const { brush } = session.state.get();
    if (cell && painting.current && brush !== undefined) session.paint(cell, brush);
    else if (cell) session.probeSoon(cell);
  };
  const at = (event: PointerEvent): void => {
    const box = reference.current!.getBoundingClientRect();
    point(cellAt(session, plane, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height));
  };
  const leave = (): void => {
    painting.current = false;
    session.state.set({ pointer: undefined, probe: undefined });
  };
  return (
    <figure class={`plane plane-${plane}`} data-mode={mode}>
      <canvas
        ref={reference}
        role="application"
        tabIndex={0}
        aria-label={`Plane ${plane}, ${titles[plane]}; arrow keys choose a cell, Enter paints it`}
        data-layer={plane}
        onKeyDown={(event) => {
          const cell = movedCell(session, plane, event.key);
          if (!cell) return;
          painting.current = event.key === "Enter";
          point(cell);
          painting.current = false;
          event.preventDefault();
        }}
        onBlur={leave}
        onPointerDown={(event) => {
          painting.current = session.state.get().brush !== undefined;
          at(event);
        }}
        onPointerMove={at}
        onPointerUp={() => (painting.current = false)}
        onPointerLeave={leave}
      />
      <figcaption>
        <b>{plane}</b> <span>{titles[plane]}</span>
      </figcaption>
    </figure>
  );
}

/** The cell of a plane that a key leads to: beside the one at the pointer, or that one for Enter. */
function movedCell(session: Session, plane: PlaneName, key: string): Cell | undefined {
  const { edited, pointer } = session.state.get();
  const steps: Readonly<Record<string, readonly [across: number, down: number]>> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
    Enter: [0, 0],
  };
  const step = steps[key];
  if (!edited || !step) return undefined;
  const before = pointer?.at === "cell" && pointer.cell.plane === plane ? pointer.cell : undefined;
  const { frame } = session.clock;
  const { height, width } = session.frames;
  const middle = cellsOf(edited, frame, Math.floor(width / 2), Math.floor(height / 2));
  const from = before ?? middle.find((cell) => cell.plane === plane)!;
  if (!before) return from;
  const [outer, inner] = edited.windows[from.window]!.tiles[from.tile]![plane].shape;
  // xt is drawn with time along its width.
  const [byOuter, byInner] = plane === "xt" ? step : [step[1], step[0]];
  const within = (value: number, size: number): number => Math.min(size - 1, Math.max(0, value));
  return { ...from, outer: within(from.outer + byOuter, outer), inner: within(from.inner + byInner, inner) };
}

function PlanesNote({ session }: { session: Session }): JSX.Element {
  const cell = useStore(session.state, ({ pointer, edited }) => {
    if (pointer?.at === "cell") return `${cellText(pointer.cell)}; beside the video, what it changes.`;
    if (!pointer || !edited) return undefined;
    const { x, y } = pointer;
    const cells = cellsOf(edited, session.clock.frame, x, y).map((one) => cellText(one));
    return `Row ${String(y)}, column ${String(x)} reads ${cells.join(", ").replaceAll("Cell", "cell")}.`;
  });
  return (
    <p class="planes-note" aria-live="polite">
      {cell ??
        "Every pixel reads three cells, one from each plane: hover over the video to see which. Hover over a plane to see what a cell changes."}
    </p>
  );
}

function cellText({ plane, outer, inner }: Cell): string {
  return `Cell ${String(outer)}, ${String(inner)} of ${plane}`;
}
