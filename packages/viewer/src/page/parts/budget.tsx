import type { JSX } from "preact";
import type { Session } from "../session.js";
import { roundingSteps, windowSizes } from "../state.js";
import { useStore } from "../store.js";

/** Steps that planes are rounded to; the first is none. */
const steps = [undefined, ...roundingSteps] as const;
const stepTexts = ["not rounded", "1/32", "1/16", "1/8", "1/6", "1/4", "1/3", "1/2"] as const;

/** How much of the planes is kept. */
export function BudgetPanel({ session }: { session: Session }): JSX.Element {
  const channels = useStore(session.state, (state) => state.model?.channels ?? 32);
  const budget = useStore(session.state, (state) => state.edits.budget);
  const windowFrames = useStore(session.state, (state) => state.windowFrames);
  const step = useStore(session.state, (state) => state.step);
  const isLattice = useStore(session.state, (state) => state.model?.form !== "paper");
  const { content, motion } = budget ?? { content: channels, motion: channels };
  return (
    <section class="card" aria-labelledby="budget-title">
      <h3 id="budget-title">Budget</h3>
      <Slider
        label="Content"
        hint="channels of xy"
        max={channels}
        value={content}
        text={String(content)}
        colour="--xy"
        onInput={(value) => void session.edit({ budget: { content: value, motion } })}
      />
      <Slider
        label="Motion"
        hint="channels of yt and xt"
        max={channels}
        value={motion}
        text={String(motion)}
        colour="--yt"
        onInput={(value) => void session.edit({ budget: { content, motion: value } })}
      />
      {isLattice && (
        <Slider
          label="Window"
          hint="frames encoded together"
          max={windowSizes.length - 1}
          value={windowSizes.findIndex((frames) => frames === windowFrames)}
          text={String(windowFrames)}
          onInput={(value) => {
            session.state.set({ windowFrames: windowSizes[value]! });
            void session.encodeAgain();
          }}
        />
      )}
      <Slider
        label="Rounding"
        hint="coarser numbers, fewer bytes"
        max={steps.length - 1}
        value={steps.findIndex((one) => one === step)}
        text={stepTexts[steps.findIndex((one) => one === step)] ?? ""}
        onInput={(value) => void session.round(steps[value])}
      />
    </section>
  );
}

interface SliderProps {
  readonly label: string;
  readonly hint: string;
  readonly min?: number;
  readonly max: number;
  readonly value: number;
  readonly text: string;
  readonly colour?: string;
  readonly onInput: (value: number) => void;
}

/** A slider with its name and its value. */
export function Slider({ label, hint, min = 0, max, value, text, colour, onInput }: SliderProps): JSX.Element {
  return (
    <label class="slider" style={colour === undefined ? {} : { "--accent": `var(${colour})` }}>
      <span class="slider-name">{label}</span>
      <span class="slider-value number">{text}</span>
      <input
        type="range"
        min={min}
        max={max}
        value={value}
        aria-valuetext={text}
        onInput={(event) => onInput(Number(event.currentTarget.value))}
      />
      <span class="slider-hint">{hint}</span>
    </label>
  );
}
