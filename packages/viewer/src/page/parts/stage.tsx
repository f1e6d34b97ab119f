import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { paintSoon, usePaint } from "../canvas.js";
import { decibels } from "../format.js";
import type { Session } from "../session.js";
import type { Pointer, StageView } from "../state.js";
import { useStore } from "../store.js";
import { moved, placeOf, wholeFrame, zoomed, type Viewport } from "../viewport.js";
import { paintFrame, type Layer } from "./paint-frame.js";

/** Original, reconstruction and error, or the first two with a wipe between them. */
export function Stage({ session }: { session: Session }): JSX.Element {
  const view = useStore(session.state, (state) => state.view);
  const probe = useStore(session.state, (state) => state.probe !== undefined);
  const hasOriginal = useStore(session.state, () => session.frames.hasOriginal);
  const viewport = useStore(session.state, (state) => state.viewport);
  const setViewport = (next: Viewport): void => session.state.set({ viewport: next });
  useEffect(paintSoon, [viewport, view]);
  const panel = (layer: Layer, title: string, note: JSX.Element): JSX.Element => (
    <Panel {...{ session, layer, title, note, viewport, setViewport }} key={layer} />
  );
  const aspect = useAspect(session);
  return (
    <section class={`stage stage-${view}`} style={{ "--aspect": aspect }} aria-label="The video">
      {view === "wipe" ? (
        panel("wipe", "Original and reconstruction", <FramePsnr session={session} />)
      ) : (
        <>
          {hasOriginal && panel("original", "Original", <SourceNote session={session} />)}
          {panel("decoded", "From the planes", <FramePsnr session={session} />)}
          {(hasOriginal || probe) &&
            panel(
              "error",
              probe ? "What this cell changes" : "Error, 4 times",
              <span>{probe ? "decoded without it" : "dark is right"}</span>,
            )}
        </>
      )}
      <StageTools session={session} view={view} viewport={viewport} setViewport={setViewport} />
    </section>
  );
}

function useAspect(session: Session): string {
  return useStore(session.state, () => `${String(session.frames.width)} / ${String(session.frames.height)}`);
}

function SourceNote({ session }: { session: Session }): JSX.Element {
  const text = useStore(session.state, () => `${String(session.frames.width)} × ${String(session.frames.height)}`);
  return <span>{text}</span>;
}

/** PSNR of the frame that is shown. */
function FramePsnr({ session }: { session: Session }): JSX.Element {
  const reference = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const update = (): void => {
      const db = session.frames.psnrOf(session.clock.frame);
      reference.current!.textContent = db === undefined ? "" : decibels(db);
    };
    update();
    const leave = [session.clock.subscribe(update), session.state.subscribe(update)];
    return () => {
      for (const end of leave) end();
    };
  }, [session]);
  return <span class="number" ref={reference} />;
}

interface PanelProps {
  readonly session: Session;
  readonly layer: Layer;
  readonly title: string;
  readonly note: JSX.Element;
  readonly viewport: Viewport;
  readonly setViewport: (viewport: Viewport) => void;
}

function Panel({ session, layer, title, note, viewport, setViewport }: PanelProps): JSX.Element {
  const reference = usePaint(session, (canvas) => paintFrame(session, canvas, layer, viewport));
  const drag = useRef<{ x: number; y: number; wipe: boolean } | undefined>(undefined);
  const partOf = (event: PointerEvent | WheelEvent): { x: number; y: number } => {
    const box = reference.current!.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };
  useEffect(() => {
    const canvas = reference.current!;
    const onWheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.altKey && viewport.scale === 1 && event.deltaY > 0) return;
      event.preventDefault();
      setViewport(zoomed(viewport, Math.exp(-event.deltaY / 300), partOf(event)));
    };
    canvas.addEventListener("wheel", onWheel, { passive: false });
    return () => canvas.removeEventListener("wheel", onWheel);
  });
  const onPointerDown = (event: PointerEvent): void => {
    const at = partOf(event);
    const wipe = layer === "wipe" && (viewport.scale === 1 || Math.abs(at.x - session.state.get().wipe) < 0.04);
    drag.current = { ...at, wipe };
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    if (wipe) session.state.set({ wipe: at.x });
  };
  const onPointerMove = (event: PointerEvent): void => {
    const at = partOf(event);
    const from = drag.current;
    if (from?.wipe) session.state.set({ wipe: Math.min(1, Math.max(0, at.x)) });
    else if (from && viewport.scale > 1) {
      setViewport(moved(viewport, at.x - from.x, at.y - from.y));
      drag.current = { ...at, wipe: false };
    }
    session.state.set({ pointer: pixelAt(session, viewport, at) });
  };
  const leave = (): void => {
    drag.current = undefined;
    session.state.set({ pointer: undefined });
  };
  return (
    <figure class={`panel panel-${layer}`}>
      <canvas
        ref={reference}
        class="frame"
        role="application"
        tabIndex={0}
        aria-label={`${title}; arrow keys choose a pixel, plus and minus zoom`}
        data-layer={layer}
        onKeyDown={(event) => {
          if (!onFrameKey(session, event.key)) return;
          event.preventDefault();
        }}
        onBlur={leave}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={() => (drag.current = undefined)}
        onPointerLeave={leave}
      />
      <figcaption>
        <span class="panel-title">{title}</span>
        {note}
      </figcaption>
    </figure>
  );
}

/** Moves the pointer by a key, to the next patch, or zooms around it. @returns whether the key has a meaning. */
function onFrameKey({ state, frames }: Session, key: string): boolean {
  const { pointer, viewport } = state.get();
  const { width, height } = frames;
  const steps: Readonly<Record<string, readonly [across: number, down: number]>> = {
    ArrowLeft: [-8, 0],
    ArrowRight: [8, 0],
    ArrowUp: [0, -8],
    ArrowDown: [0, 8],
  };
  const before = pointer?.at === "pixel" ? pointer : undefined;
  const step = steps[key];
  if (step) {
    const x = Math.min(width - 1, Math.max(0, before ? before.x + step[0] : width >> 1));
    const y = Math.min(height - 1, Math.max(0, before ? before.y + step[1] : height >> 1));
    state.set({ pointer: { at: "pixel", x, y } });
    return true;
  }
  if (key !== "+" && key !== "-") return false;
  const place = placeOf(viewport, 1, 1);
  const at = before && {
    x: place.left + ((before.x + 0.5) / width) * place.width,
    y: place.top + ((before.y + 0.5) / height) * place.height,
  };
  state.set({ viewport: zoomed(viewport, key === "+" ? 2 : 0.5, at ?? { x: 0.5, y: 0.5 }) });
  return true;
}

/** The pixel of the frame at a place of a canvas. */
function pixelAt(session: Session, viewport: Viewport, at: { x: number; y: number }): Pointer | undefined {
  const { width, height } = session.frames;
  const place = placeOf(viewport, 1, 1);
  const [x, y] = [(at.x - place.left) / place.width, (at.y - place.top) / place.height];
  if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return undefined;
  return { at: "pixel", x: Math.floor(x * width), y: Math.floor(y * height) };
}

interface ToolsProps {
  readonly session: Session;
  readonly view: StageView;
  readonly viewport: Viewport;
  readonly setViewport: (viewport: Viewport) => void;
}

function StageTools({ session, view, viewport, setViewport }: ToolsProps): JSX.Element {
  const hasOriginal = useStore(session.state, () => session.frames.hasOriginal);
  const wipe = useStore(session.state, (state) => state.wipe);
  const zoom = (factor: number): void => setViewport(zoomed(viewport, factor, { x: 0.5, y: 0.5 }));
  return (
    <div class="stage-tools" role="group" aria-label="View">
      {hasOriginal && (
        <div class="segmented">
          <button type="button" aria-pressed={view === "three"} onClick={() => session.state.set({ view: "three" })}>
            Side by side
          </button>
          <button type="button" aria-pressed={view === "wipe"} onClick={() => session.state.set({ view: "wipe" })}>
            Wipe
          </button>
        </div>
      )}
      {view === "wipe" && (
        <input
          type="range"
          class="wipe-slider"
          aria-label="Wipe between original and reconstruction"
          min="0"
          max="100"
          value={Math.round(wipe * 100)}
          onInput={(event) => session.state.set({ wipe: Number(event.currentTarget.value) / 100 })}
        />
      )}
      <div class="segmented">
        <button type="button" aria-label="Zoom out" disabled={viewport.scale <= 1} onClick={() => zoom(0.5)}>
          −
        </button>
        <button type="button" class="number" title="Show the whole frame" onClick={() => setViewport(wholeFrame)}>
          {`${viewport.scale < 10 ? viewport.scale.toFixed(viewport.scale % 1 === 0 ? 0 : 1) : viewport.scale.toFixed(0)}×`}
        </button>
        <button type="button" aria-label="Zoom in" onClick={() => zoom(2)}>
          +
        </button>
      </div>
    </div>
  );
}
