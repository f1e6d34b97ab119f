import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Session } from "../session.js";
import type { BackendFacts } from "../../worker/types.js";
import { useStore } from "../store.js";
import { Slider } from "./budget.js";

const strides = [1, 2, 4, 8] as const;
const sides = [64, 128, 192, 256] as const;
const lengths = [16, 32, 64, 128, 256, 512] as const;

/** What is shown and how it is read: the knobs of the moving pattern, or which frames of a file are taken. */
export function SourcePanel({ session }: { session: Session }): JSX.Element | null {
  const shown = useStore(session.state, (state) => state.shown);
  if (!shown) return null;
  return (
    <section class="card" aria-labelledby="source-title">
      <h3 id="source-title">{shown.name}</h3>
      {shown.credit !== undefined && <p class="note">{shown.credit}</p>}
      {shown.scene === "pattern" && <PatternKnobs session={session} />}
      {shown.scene === undefined && session.reading.canBeChanged && <ReadingKnobs session={session} />}
    </section>
  );
}

function PatternKnobs({ session }: { session: Session }): JSX.Element {
  const { degrees, speed } = useStore(session.state, (state) => state.pattern);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const set = (pattern: { degrees: number; speed: number }): void => {
    session.state.set({ pattern });
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void session.openScene("pattern"), 250);
  };
  const directions = ["right", "right and down", "down", "left and down", "left", "left and up", "up", "right and up"];
  return (
    <>
      <p class="note">
        What moves sideways leaves a slope in yt, what moves up or down a slope in xt: look at the video slices, then at
        the colours.
      </p>
      <Slider
        label="Direction"
        hint={directions[Math.round(degrees / 45) % 8]!}
        max={345}
        value={degrees}
        text={`${String(degrees)}°`}
        onInput={(value) => set({ degrees: Math.round(value / 15) * 15, speed })}
      />
      <Slider
        label="Speed"
        hint="pixels a frame"
        max={6}
        value={speed}
        text={String(speed)}
        onInput={(value) => set({ degrees, speed: value })}
      />
    </>
  );
}

function ReadingKnobs({ session }: { session: Session }): JSX.Element {
  const reading = useStore(session.state, (state) => state.reading);
  const duration = useStore(session.state, (state) => state.shown?.source?.durationSeconds ?? 0);
  const set = (change: Partial<typeof reading>): void => session.reading.change({ ...reading, ...change });
  const index = (list: readonly number[], value: number): number => Math.max(0, list.indexOf(value));
  return (
    <>
      {duration > 0 && (
        <Slider
          label="Start"
          hint={`of ${duration.toFixed(1)} s`}
          max={Math.max(1, Math.floor(duration * 2))}
          value={Math.round(reading.startSeconds * 2)}
          text={`${reading.startSeconds.toFixed(1)} s`}
          onInput={(value) => set({ startSeconds: value / 2 })}
        />
      )}
      <Slider
        label="Frames"
        hint="taken at most"
        max={lengths.length - 1}
        value={index(lengths, reading.frames)}
        text={String(reading.frames)}
        onInput={(value) => set({ frames: lengths[value]! })}
      />
      <Slider
        label="Stride"
        hint="every how many frames one is taken"
        max={strides.length - 1}
        value={index(strides, reading.stride)}
        text={String(reading.stride)}
        onInput={(value) => set({ stride: strides[value]! })}
      />
      <Slider
        label="Size"
        hint="pixels of the short side"
        max={sides.length - 1}
        value={index(sides, reading.side)}
        text={String(reading.side)}
        onInput={(value) => set({ side: sides[value]! })}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={reading.square}
          onChange={(event) => set({ square: event.currentTarget.checked })}
        />
        Cut a square from the middle
      </label>
    </>
  );
}

/** The backend and the model. */
export function MachinePanel({ session }: { session: Session }): JSX.Element {
  const backend = useStore(session.state, (state) => state.backend);
  const model = useStore(session.state, (state) => state.model);
  const change = (name: BackendFacts["name"]): void => void session.start(name).then(() => session.encodeAgain());
  return (
    <section class="card" aria-labelledby="machine-title">
      <h3 id="machine-title">Where it runs</h3>
      <div class="row">
        <label class="inline">
          <span class="label">Backend</span>
          <select
            value={backend?.name ?? "wasm"}
            disabled={!backend}
            onChange={(event) => change(event.currentTarget.value as BackendFacts["name"])}
          >
            <option value="webgpu">WebGPU</option>
            <option value="wasm">wasm</option>
            <option value="cpu">cpu, very slow</option>
          </select>
        </label>
        <label class="inline">
          <span class="label">Model</span>
          <select
            value={model?.id ?? "starter"}
            disabled={!model}
            onChange={(event) =>
              void session.useModel(event.currentTarget.value === "starter" ? "starter" : "starter-bytes")
            }
          >
            <option value="starter">starter</option>
            <option value="starter-bytes">starter, few bytes</option>
            {model?.id.startsWith("file-") && <option value={model.id}>your checkpoint</option>}
          </select>
        </label>
      </div>
      <p class="note">
        {backend
          ? `${backend.device}${backend.fused ? ", fused operations" : ""}. Nothing leaves this page.`
          : "Starting…"}
      </p>
    </section>
  );
}
