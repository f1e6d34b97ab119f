import type { PlaneColours } from "./colours.js";
import type { Cell } from "./geometry.js";
import { noEdits, type Edits } from "./edits.js";
import type { ReadSettings, SourceFacts } from "../media/messages.js";
import { wholeFrame, type Viewport } from "./viewport.js";
import type { BackendFacts, FilmData, GeneratorFacts, ModelFacts, PlaneName, RateFacts } from "../worker/types.js";

/** The scenes that are built in. */
export type SceneName = "butterfly" | "stream" | "shapes" | "pattern";

/** What is shown: a built-in scene, or a file. */
export interface Shown {
  readonly name: string;
  readonly scene?: SceneName | undefined;
  readonly credit?: string | undefined;
  readonly source?: SourceFacts | undefined;
}

/** Work in progress. */
export interface Busy {
  readonly what: string;
  readonly done: number;
  readonly total?: number | undefined;
  readonly unit: string;
  readonly detail?: string | undefined;
}

/** What the pointer is at: a pixel of the frame, or a cell of a plane. */
export type Pointer =
  { readonly at: "pixel"; readonly x: number; readonly y: number } | { readonly at: "cell"; readonly cell: Cell };

/** What one cell changes at one frame: the difference of decoding with it and without. */
export interface Probe {
  readonly number: number;
  readonly picture: ImageData;
}

/** How the frames are laid out. */
export type StageView = "three" | "wipe";

/** What the planes are drawn as. */
export type PlaneView = PlaneColours | "slices";

/** PSNR of a window with some of its planes. */
export interface Share {
  readonly planes: readonly PlaneName[];
  readonly psnrDb: number;
}

/** How planes are generated. */
export interface Sampling {
  readonly seed: number;
  readonly class: number;
  readonly steps: number;
  readonly guidance: number;
}

/** How long decoding took: the part that was on the screen, which comes first, and all frames. */
export interface Timing {
  readonly width: number;
  readonly height: number;
  readonly firstSeconds: number;
  readonly allSeconds?: number | undefined;
}

/** Everything that components watch. */
export interface PageState {
  readonly backend?: BackendFacts | undefined;
  readonly model?: ModelFacts | undefined;
  readonly busy?: Busy | undefined;
  readonly error?: string | undefined;
  readonly shown?: Shown | undefined;
  /** The planes as encoded or refined. */
  readonly film?: FilmData | undefined;
  /** The planes as they are decoded: with edits. */
  readonly edited?: FilmData | undefined;
  readonly edits: Edits;
  /** Rises when frames were decoded. */
  readonly decoded: number;
  readonly view: StageView;
  readonly wipe: number;
  readonly viewport: Viewport;
  readonly planeView: PlaneView;
  readonly pointer?: Pointer | undefined;
  readonly probe?: Probe | undefined;
  readonly brush?: number | undefined;
  readonly pattern: { readonly degrees: number; readonly speed: number };
  /** Which frames of a video are taken. */
  readonly reading: ReadSettings;
  readonly windowFrames: number;
  readonly rate?: RateFacts | undefined;
  /** The step that planes are rounded to; absent: they are not rounded. */
  readonly step?: number | undefined;
  readonly shares?: readonly Share[] | undefined;
  readonly refined: number;
  readonly timing?: Timing | undefined;
  /** Frames decoded for each frame of the video, by the paper's form: 1, 2 or 4. */
  readonly frameRate: number;
  readonly generator?: GeneratorFacts | undefined;
  readonly sampling: Sampling;
  /** Planes on their way from noise, and the number of the one shown. */
  readonly states?: readonly FilmData[] | undefined;
  readonly stateShown: number;
}

/** How many frames may be encoded together. */
export const windowSizes: readonly number[] = [8, 16, 32, 64];

/** The distances between neighbouring numbers that planes can be rounded to. */
export const roundingSteps: readonly number[] = [1 / 32, 1 / 16, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2];

export const initialState: PageState = {
  edits: noEdits,
  decoded: 0,
  view: "three",
  wipe: 0.5,
  planeView: "components",
  pattern: { degrees: 0, speed: 2 },
  reading: { startSeconds: 0, stride: 1, frames: 64, side: 128, square: false },
  windowFrames: 16,
  refined: 0,
  viewport: wholeFrame,
  frameRate: 1,
  sampling: { seed: 0, class: 0, steps: 25, guidance: 1 },
  stateShown: 0,
};
