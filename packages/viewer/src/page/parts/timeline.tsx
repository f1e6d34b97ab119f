import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { colourOf, fitCanvas, usePaint } from "../canvas.js";
import { decibels } from "../format.js";
import type { Session } from "../session.js";
import { useStore } from "../store.js";

/** The plot of PSNR over time, which is also the scrubber, and the buttons of the player. */
export function Timeline({ session }: { session: Session }): JSX.Element {
  return (
    <section class="timeline" aria-label="Time">
      <Transport session={session} />
      <Plot session={session} />
    </section>
  );
}

/** What the clock says, watched by a component. */
function useClock<T>(session: Session, read: () => T): T {
  const [value, setValue] = useState(read);
  useEffect(() => {
    const update = (): void => setValue(read);
    update();
    return session.clock.subscribe(update);
  }, [session]);
  return value;
}

function Transport({ session }: { session: Session }): JSX.Element {
  const { clock } = session;
  const playing = useClock(session, () => clock.playing);
  const frame = useClock(session, () => clock.frame);
  const frames = useClock(session, () => clock.frames);
  const speed = useClock(session, () => clock.speed);
  const loop = useClock(session, () => clock.loop);
  const isPaper = useStore(session.state, (state) => state.model?.form === "paper");
  const frameRate = useStore(session.state, (state) => state.frameRate);
  return (
    <div class="transport" role="group" aria-label="Player">
      <button type="button" class="icon" aria-label="One frame back" onClick={() => clock.step(-1)}>
        <Icon path="M15 5v14l-9-7zM5 5h1.6v14H5z" />
      </button>
      <button type="button" class="icon play" aria-label={playing ? "Pause" : "Play"} onClick={() => clock.toggle()}>
        <Icon path={playing ? "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" : "M8 4.5v15l12-7.5z"} />
      </button>
      <button type="button" class="icon" aria-label="One frame on" onClick={() => clock.step(1)}>
        <Icon path="M9 5v14l9-7zM17.4 5H19v14h-1.6z" />
      </button>
      <span class="number clock">
        {frame + 1}
        <span class="faint"> / {frames}</span>
      </span>
      <span class="grow" />
      <label class="inline">
        <span class="label">Speed</span>
        <select
          value={String(speed)}
          onChange={(event) => session.setPace(Number(event.currentTarget.value), frameRate)}
        >
          {[0.125, 0.25, 0.5, 1, 2].map((value) => (
            <option value={String(value)} key={value}>
              {value}×
            </option>
          ))}
        </select>
      </label>
      {isPaper && (
        <label class="inline">
          <span class="label">Frame rate</span>
          <select
            value={String(frameRate)}
            onChange={(event) => session.setPace(speed, Number(event.currentTarget.value))}
          >
            {[1, 2, 4].map((value) => (
              <option value={String(value)} key={value}>
                {value === 1 ? "as filmed" : `${String(value)}×`}
              </option>
            ))}
          </select>
        </label>
      )}
      <button type="button" class="icon" aria-pressed={loop} aria-label="Loop" onClick={() => clock.setLoop(!loop)}>
        <Icon path="M7 7h9V4l5 4.5L16 13v-3H8v4H5V9a2 2 0 0 1 2-2zm10 10H8v3l-5-4.5L8 11v3h8v-4h3v5a2 2 0 0 1-2 2z" />
      </button>
    </div>
  );
}

/** A picture on a button. */
function Icon({ path }: { path: string }): JSX.Element {
  return (
    <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" fill="currentColor">
      <path d={path} />
    </svg>
  );
}

function Plot({ session }: { session: Session }): JSX.Element {
  const { clock } = session;
  const reference = usePaint(session, (canvas) => paintPlot(session, canvas));
  const frame = useClock(session, () => clock.frame);
  const frames = useClock(session, () => clock.frames);
  const db = useStore(session.state, () => session.frames.psnrOf(clock.frame));
  const seek = (event: PointerEvent): void => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    clock.seek(Math.floor(Math.min(0.9999, Math.max(0, (event.clientX - box.left) / box.width)) * clock.frames));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 };
    const by = steps[event.key];
    if (by !== undefined) clock.seek(clock.frame + by);
    else if (event.key === "Home") clock.seek(0);
    else if (event.key === "End") clock.seek(clock.frames - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="plot"
      role="slider"
      tabIndex={0}
      aria-label="Frame"
      aria-valuemin={1}
      aria-valuemax={frames}
      aria-valuenow={frame + 1}
      aria-valuetext={`Frame ${String(frame + 1)} of ${String(frames)}${db === undefined ? "" : `, ${decibels(db)}`}`}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        clock.pause();
        seek(event);
      }}
      onPointerMove={(event) => {
        if (event.buttons > 0) seek(event);
      }}
    >
      <canvas ref={reference} data-layer="plot" aria-hidden="true" />
    </div>
  );
}

const margin = { top: 16, bottom: 14 };

function paintPlot(session: Session, canvas: HTMLCanvasElement): void {
  const { context, width, height } = fitCanvas(canvas);
  const { frames, clock, state } = session;
  context.clearRect(0, 0, width, height);
  const step = width / clock.frames;
  const values = Array.from({ length: clock.frames }, (_, i) => frames.psnrOf(i));
  const known = values.filter((value) => value !== undefined);
  const [low, high] = rangeOf(known);
  const yOf = (db: number): number =>
    margin.top + (height - margin.top - margin.bottom) * (1 - (Math.min(high, db) - low) / (high - low));
  const [ink, faint, accent] = ["--ink", "--line", "--accent"].map((name) => colourOf(name));
  const film = state.get().film;
  context.fillStyle = faint!;
  for (const { first, overlap } of film?.windows ?? [])
    if (first > 0)
      context.fillRect((first + overlap / 2) * step - 0.5, margin.top, 1, height - margin.top - margin.bottom);
  if (known.length > 0) paintScale(context, canvas, [low, high], yOf, width);
  context.fillStyle = `color-mix(in oklab, ${accent!} 22%, transparent)`;
  values.forEach((value, i) => {
    if (value === undefined) return;
    const top = yOf(value);
    context.fillRect(i * step, top, Math.max(1, step - (step > 5 ? 1.5 : 0)), height - margin.bottom - top);
  });
  context.strokeStyle = accent!;
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  values.forEach((value, i) => {
    if (value === undefined) return;
    if (values[i - 1] === undefined) context.moveTo((i + 0.5) * step, yOf(value));
    else context.lineTo((i + 0.5) * step, yOf(value));
  });
  context.stroke();
  const at = (clock.place + 0.5) * step;
  context.fillStyle = ink!;
  context.fillRect(at - 1, 6, 2, height - 6 - margin.bottom);
  context.beginPath();
  context.arc(at, 6, 5, 0, 2 * Math.PI);
  context.fill();
  canvas.dataset["frame"] = String(clock.frame);
}

function paintScale(
  context: CanvasRenderingContext2D,
  canvas: HTMLCanvasElement,
  [low, high]: readonly [number, number],
  yOf: (db: number) => number,
  width: number,
): void {
  context.fillStyle = colourOf("--soft");
  context.font = "500 11px 'Inter Variable', system-ui, sans-serif";
  context.textAlign = "right";
  for (const db of [high, low]) context.fillText(`${String(db)} dB`, width - 4, yOf(db) - 3);
}

/** A range of whole dB that holds all values, at least 6 dB. */
function rangeOf(values: readonly number[]): readonly [number, number] {
  if (values.length === 0) return [20, 40];
  const low = Math.floor(Math.min(...values) / 2) * 2 - 2;
  const high = Math.min(100, Math.ceil(Math.max(...values) / 2) * 2);
  return [low, Math.max(high, low + 6)];
}
