import { planeNames, type PlaneMode } from "./edits.js";
import type { Session } from "./session.js";
import { roundingSteps, windowSizes, type SceneName, type StageView } from "./state.js";

const sceneNames: readonly SceneName[] = ["butterfly", "stream", "shapes", "pattern"];
const planeModes: readonly PlaneMode[] = ["kept", "blank", "frozen", "swapped"];

/** What a link to the page asks for; what it does not say, or says wrongly, is as at the start. */
export interface Link {
  readonly scene: SceneName;
  /** A file beside the page, given by the program that serves it. */
  readonly file?: string | undefined;
}

/** Reads the address and sets the state that it asks for. */
export function readLink(session: Session, hash: string): Link {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const { state, clock } = session;
  const { edits, pattern } = state.get();
  const content = wholeNumber(asked.get("content"), 0, 4096);
  const motion = wholeNumber(asked.get("motion"), 0, 4096);
  const modes = Object.fromEntries(
    planeNames.map((name) => [name, oneOf(asked.get(name), planeModes) ?? "kept"]),
  ) as typeof edits.modes;
  state.set({
    edits: {
      ...edits,
      modes,
      shift: { yt: shiftOf(asked.get("shift-yt")), xt: shiftOf(asked.get("shift-xt")) },
      ...(content !== undefined && motion !== undefined ? { budget: { content, motion } } : {}),
    },
    windowFrames: windowSizes.find((frames) => String(frames) === asked.get("window")) ?? 16,
    step: roundingSteps.find((step) => String(step) === asked.get("rounding")),
    view: oneOf<StageView>(asked.get("view"), ["three", "wipe"]) ?? "three",
    planeView:
      asked.get("planes") === "slices" ? "slices" : (wholeNumber(asked.get("channel"), 0, 4095) ?? "components"),
    pattern: {
      degrees: wholeNumber(asked.get("degrees"), 0, 345) ?? pattern.degrees,
      speed: wholeNumber(asked.get("speed"), 0, 6) ?? pattern.speed,
    },
  });
  const frame = wholeNumber(asked.get("frame"), 1, 1e6);
  if (frame !== undefined) session.startAt = frame - 1;
  else clock.play();
  const file = asked.get("file") ?? undefined;
  return {
    scene: oneOf(asked.get("scene"), sceneNames) ?? "butterfly",
    file: file !== undefined && /^given\/[^/]+$/.test(file) ? file : undefined,
  };
}

/** Keeps the address in step with what is shown, so that it can be passed on. */
export function writeLink(session: Session): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const hash = linkOf(session);
      if (hash !== undefined && `#${hash}` !== location.hash) history.replaceState(null, "", `#${hash}`);
    }, 300);
  };
  // What is written here does not count as a change: a link was followed, or the address was changed by hand.
  globalThis.addEventListener("hashchange", () => location.reload());
  session.state.subscribe(write);
  session.clock.subscribe(write);
}

function linkOf({ state, clock }: Session): string | undefined {
  const { shown, edits, view, planeView, pattern, windowFrames, step } = state.get();
  if (!shown) return undefined;
  const file = new URLSearchParams(location.hash.slice(1)).get("file");
  const said = new URLSearchParams();
  if (shown.scene !== undefined) said.set("scene", shown.scene);
  else if (file !== null) said.set("file", file);
  if (!clock.playing) said.set("frame", String(clock.frame + 1));
  if (view !== "three") said.set("view", view);
  if (planeView === "slices") said.set("planes", "slices");
  else if (planeView !== "components") said.set("channel", String(planeView));
  if (edits.budget) {
    said.set("content", String(edits.budget.content));
    said.set("motion", String(edits.budget.motion));
  }
  for (const name of planeNames) if (edits.modes[name] !== "kept") said.set(name, edits.modes[name]);
  for (const name of ["yt", "xt"] as const)
    if (edits.shift[name] !== 0) said.set(`shift-${name}`, String(edits.shift[name]));
  if (windowFrames !== 16) said.set("window", String(windowFrames));
  if (step !== undefined) said.set("rounding", String(step));
  if (shown.scene === "pattern") {
    said.set("degrees", String(pattern.degrees));
    said.set("speed", String(pattern.speed));
  }
  return said.toString();
}

function oneOf<T extends string>(value: string | null, names: readonly T[]): T | undefined {
  return names.find((name) => name === value);
}

function wholeNumber(value: string | null, low: number, high: number): number | undefined {
  const number = value !== null && /^\d{1,7}$/.test(value) ? Number(value) : NaN;
  return number >= low && number <= high ? number : undefined;
}

/** A shift along time in cells. */
function shiftOf(value: string | null): number {
  return value !== null && /^-?\d{1,2}$/.test(value) ? Number(value) : 0;
}
