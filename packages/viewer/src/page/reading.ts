import type { PatternSettings, ReadSettings, SceneSettings } from "../media/messages.js";
import type { PageState, SceneName } from "./state.js";
import type { Store } from "./store.js";

/** How the file at hand is read, to read it again with other settings. */
export class Reading {
  readonly #state: Store<PageState>;
  #again: ((settings: ReadSettings) => Promise<void>) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(state: Store<PageState>) {
    this.#state = state;
  }

  remember(again: (settings: ReadSettings) => Promise<void>): void {
    this.#again = again;
  }

  forget(): void {
    clearTimeout(this.#timer);
    this.#again = undefined;
  }

  get canBeChanged(): boolean {
    return this.#again !== undefined;
  }

  /** Reads the file again, when the settings have been left alone for a moment. */
  change(reading: ReadSettings): void {
    this.#state.set({ reading });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#again?.(reading), 300);
  }
}

/** How a built-in scene is made. */
export function sceneSettings(scene: SceneName, pattern: PatternSettings): SceneSettings {
  if (scene === "pattern") return { scene, ...pattern };
  return scene === "shapes" ? { scene, seed: 4 } : { scene };
}
