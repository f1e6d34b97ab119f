import type { ProgressEvent } from "@coordtok/core";
import type {
  BackendFacts,
  DecodedFrame,
  DecodeSettings,
  EncodeSettings,
  FilmData,
  FramesData,
  GeneratedState,
  GenerateSettings,
  GeneratorFacts,
  ModelFacts,
  OpenedFilm,
  RateFacts,
  RateSettings,
  RefineSettings,
  SaveSettings,
  WindowData,
} from "./types.js";

/** A window with what is known of the film by then. */
export interface WindowEvent {
  /** The number of the window. */
  readonly index: number;
  /** The window. */
  readonly window: WindowData;
}

/** What happens during a call, apart from its progress. */
export type CallEvent =
  { readonly window: WindowEvent } | { readonly frame: DecodedFrame } | { readonly state: GeneratedState };

/** The calls of the worker: what each takes and gives. */
export interface Calls {
  readonly start: { take: { backend: "auto" | "webgpu" | "wasm" | "cpu" }; give: BackendFacts; event: CallEvent };
  readonly load: { take: { source: string | Blob; id: string }; give: ModelFacts; event: CallEvent };
  readonly encode: { take: { frames: FramesData; settings: EncodeSettings }; give: FilmData; event: CallEvent };
  readonly decode: { take: { film: FilmData; settings: DecodeSettings }; give: { frames: number }; event: CallEvent };
  readonly refine: {
    take: { film: FilmData; frames: FramesData; settings: RefineSettings };
    give: FilmData;
    event: CallEvent;
  };
  readonly open: { take: { file: Blob; known: Readonly<Record<string, string>> }; give: OpenedFilm; event: CallEvent };
  readonly generator: {
    take: { source: string | Blob; id: string; known: Readonly<Record<string, string>> };
    give: GeneratorFacts;
    event: CallEvent;
  };
  readonly generate: { take: GenerateSettings; give: FilmData; event: CallEvent };
  readonly save: { take: { film: FilmData; settings: SaveSettings }; give: Blob; event: CallEvent };
  readonly rate: { take: { film: FilmData; settings: RateSettings }; give: RateFacts; event: CallEvent };
}

/** A table of calls: what each takes and gives, and what it sends meanwhile. */
export type CallTable<T> = {
  readonly [Name in keyof T]: { readonly take: unknown; readonly give: unknown; readonly event: unknown };
};

/** From the page to the worker. */
export type Request =
  | { readonly id: number; readonly call: string; readonly take: unknown }
  | { readonly id: number; readonly abort: true };

/** An error as it travels. */
export interface ErrorData {
  /** The code of a `CoordTokError`; absent for a bug. */
  readonly code?: string | undefined;
  /** The sentence. */
  readonly message: string;
  /** The stack trace of a bug. */
  readonly stack?: string | undefined;
}

/** From the worker to the page. */
export type Reply =
  | { readonly id: number; readonly progress: ProgressEvent }
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly give: unknown }
  | { readonly id: number; readonly error: ErrorData };
