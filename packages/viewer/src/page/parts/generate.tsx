import type { JSX } from "preact";
import type { Session } from "../session.js";
import type { Sampling } from "../state.js";
import { useStore } from "../store.js";
import { Slider } from "./budget.js";

const stepCounts = [4, 10, 25, 50, 100] as const;

/** Planes from noise, once a generator is loaded. */
export function GeneratePanel({ session }: { session: Session }): JSX.Element | null {
  const generator = useStore(session.state, (state) => state.generator);
  const sampling = useStore(session.state, (state) => state.sampling);
  if (!generator) return null;
  const set = (change: Partial<Sampling>): void => session.state.set({ sampling: { ...sampling, ...change } });
  return (
    <section class="card" aria-labelledby="generate-title">
      <h3 id="generate-title">Generate</h3>
      <div class="row">
        <Choice
          label="Class"
          value={sampling.class}
          options={generator.classes.map((name, value) => ({ name, value }))}
          onChoice={(value) => set({ class: value })}
        />
        <Choice
          label="Steps"
          value={sampling.steps}
          options={stepCounts.map((value) => ({ name: String(value), value }))}
          onChoice={(value) => set({ steps: value })}
        />
        <label class="inline">
          <span class="label">Seed</span>
          <input
            type="number"
            class="field number"
            min="0"
            max="999999"
            step="1"
            value={sampling.seed}
            onInput={(event) => {
              const seed = event.currentTarget.valueAsNumber;
              if (Number.isInteger(seed) && seed >= 0) set({ seed });
            }}
          />
        </label>
      </div>
      {generator.guided && (
        <Slider
          label="Guidance"
          hint="how far the class is exaggerated"
          max={16}
          value={Math.round(sampling.guidance * 2)}
          text={sampling.guidance.toFixed(1)}
          onInput={(value) => set({ guidance: value / 2 })}
        />
      )}
      <button type="button" class="button" onClick={() => void session.generate()}>
        Generate
      </button>
      <Emergence session={session} />
    </section>
  );
}

/** The way from noise to planes, step by step. */
function Emergence({ session }: { session: Session }): JSX.Element | null {
  const steps = useStore(session.state, (state) => state.states?.length ?? 0);
  const shown = useStore(session.state, (state) => state.stateShown);
  if (steps < 2) return null;
  return (
    <Slider
      label="From noise"
      hint="the planes after each step, decoded"
      max={steps - 1}
      value={shown}
      text={shown === 0 ? "noise" : `step ${String(shown)} of ${String(steps - 1)}`}
      onInput={(value) => void session.showState(value)}
    />
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: number;
  readonly options: readonly { readonly name: string; readonly value: number }[];
  readonly onChoice: (value: number) => void;
}

function Choice({ label, value, options, onChoice }: ChoiceProps): JSX.Element {
  return (
    <label class="inline">
      <span class="label">{label}</span>
      <select value={String(value)} onChange={(event) => onChoice(Number(event.currentTarget.value))}>
        {options.map((one) => (
          <option value={String(one.value)} key={one.value}>
            {one.name}
          </option>
        ))}
      </select>
    </label>
  );
}
