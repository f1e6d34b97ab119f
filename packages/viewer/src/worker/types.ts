import type { Json, Rectangle, RgbClip } from "@coordtok/core";

/** The name of a plane; xy has rows and columns, yt time and columns, xt time and rows. */
export type PlaneName = "xy" | "yt" | "xt";

/** One plane as plain data. */
export interface PlaneData {
  /** Cells along its two axes, the outer one first, and channels. */
  readonly shape: readonly [outer: number, inner: number, channels: number];
  /** `outer * inner * channels` numbers, channels innermost. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** The three planes of a window, or of one tile of it. */
export type PlanesData = Readonly<Record<PlaneName, PlaneData>>;

/** A run of frames that was encoded together. */
export interface WindowData {
  /** Number of its first frame in the film, from 0. */
  readonly first: number;
  /** How many frames it has. */
  readonly frames: number;
  /** How many of its first frames also end the window before it. */
  readonly overlap: number;
  /** The planes of each tile, in the order of the tiles. */
  readonly tiles: readonly PlanesData[];
}

/** The first channels of the planes, which are kept; the others are 0. */
export interface ChannelBudget {
  /** Channels of xy, from 0. */
  readonly content: number;
  /** Channels of yt and xt, from 0. */
  readonly motion: number;
}

/** A film as planes: plain data, to be kept, changed, sent and decoded again. */
export interface FilmData {
  /** The model whose planes these are, as {@link ModelFacts.id} of a loaded one. */
  readonly model: string;
  /** Frames in all. */
  readonly frames: number;
  /** Frames per second. */
  readonly fps: number;
  /** Rows of the encoded frames. */
  readonly height: number;
  /** Columns of the encoded frames. */
  readonly width: number;
  /** The part of the encoded frames that is picture; decoding gives this part. */
  readonly picture: Rectangle;
  /** The tiles of every window. */
  readonly tiles: readonly Rectangle[];
  /** The windows in their order, which cover every frame. */
  readonly windows: readonly WindowData[];
  /** What the file said that the film was opened from, to write it again as it was. */
  readonly origin?: FilmOrigin | undefined;
}

/** What is kept of a file that a film was opened from. */
export interface FilmOrigin {
  /** Its format. */
  readonly format: "triplane" | "coordtok";
  /** The facts of the film as plain data. */
  readonly facts: Json;
  /** How a triplane file stores numbers. */
  readonly dtype?: "F32" | "F16" | undefined;
  /** How a `.coordtok` file codes each window. */
  readonly coding?: readonly {
    readonly step: number;
    readonly budget: ChannelBudget;
    readonly psnrDb?: number | undefined;
  }[];
}

/** A decoded frame. */
export interface DecodedFrame {
  /** Its place in the film: a frame number, or a place between two frames. */
  readonly position: number;
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** `height * width * 3` bytes, RGB. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Where a model comes from: the starter for planes as numbers, the starter for few bytes, the address of a checkpoint or its file. */
export type ModelSource = "starter" | "starter-bytes" | URL | Blob;

/** What is known of a loaded model. */
export interface ModelFacts {
  /** Its name in the worker. */
  readonly id: string;
  /** The form of the tokenizer. */
  readonly form: "lattice" | "paper";
  /** Channels of a plane. */
  readonly channels: number;
  /** The size of its clips, for the paper's form, which has one. */
  readonly clip?: { readonly frames: number; readonly height: number; readonly width: number } | undefined;
  /** The edge of the patches that a cell of the planes stands for: frames, rows and columns. */
  readonly patch: { readonly frames: number; readonly rows: number; readonly columns: number };
  /** Bytes of its file. */
  readonly bytes: number;
}

/** What is known of the backend that a worker computes with. */
export interface BackendFacts {
  /** Its name. */
  readonly name: "webgpu" | "wasm" | "cpu";
  /** The device, such as `WebAssembly with SIMD, 1 thread`. */
  readonly device: string;
  /** Whether the fused operations are in use. */
  readonly fused: boolean;
  /** The backends that were tried before, each with the reason why it was passed over. */
  readonly passedOver: readonly { readonly name: string; readonly reason: string }[];
}

/** How a film is encoded. */
export interface EncodeSettings {
  /** The model (default: the one that was loaded last). */
  readonly model?: string | undefined;
  /** Frames per second (default 25). */
  readonly fps?: number | undefined;
  /** Frames of a window (default: 16 for the lattice form, its own number for the paper's form). */
  readonly windowFrames?: number | undefined;
  /** Frames that neighbours share, at most half a window (default: 4 for the lattice form, 8 for the paper's form). */
  readonly overlap?: number | undefined;
  /** Whether windows also end at cuts (default: they do). */
  readonly split?: "scenes" | "fixed" | undefined;
  /** Lattice form: the channels that are kept (default: all). */
  readonly budget?: ChannelBudget | undefined;
  /** Rows and columns to scale to, or the short side (default: 128, or what the frames have where that is less). */
  readonly size?: number | { readonly height: number; readonly width: number } | undefined;
  /** How frames of any shape become frames for the tokenizer (default `tile`: nothing is cut off). */
  readonly fit?: "tile" | "crop" | "pad" | "stretch" | undefined;
}

/** How a film is decoded. */
export interface DecodeSettings {
  /** The frames, in the order wanted (default: all). The paper's form decodes places between frames as well. */
  readonly positions?: readonly number[] | undefined;
  /** The part of the picture (default: all of it). */
  readonly rectangle?: Rectangle | undefined;
}

/** How planes are improved. */
export interface RefineSettings {
  /** Steps for each window (default 20). */
  readonly steps?: number | undefined;
  /** The windows (default: all). */
  readonly windows?: readonly number[] | undefined;
}

/** Frames as bytes, of any size. */
export type FramesData = RgbClip;

/** A file of planes that was opened. */
export interface OpenedFilm {
  /** Its planes. */
  readonly film: FilmData;
  /** The model that made them, which is loaded. */
  readonly model: ModelFacts;
  /** The name of the video that it was made from, where the file says it. */
  readonly name?: string | undefined;
  /** Bytes of the file. */
  readonly bytes: number;
}

/** How planes are written. */
export interface SaveSettings {
  /** Default `triplane`, a `.triplane.safetensors` file; `coordtok` rounds and codes the planes. */
  readonly format?: "triplane" | "coordtok" | undefined;
  /** `coordtok`: the distance between neighbouring numbers (default: as the film was opened, otherwise 1/8). */
  readonly step?: number | undefined;
  /** `triplane`: how numbers are stored (default: as the film was opened, otherwise `F32`). */
  readonly dtype?: "F32" | "F16" | undefined;
  /** The channels that are kept (default: all). */
  readonly budget?: ChannelBudget | undefined;
  /** The name of the video that the planes were made from. */
  readonly name?: string | undefined;
}

/** What the planes of a film take when they are rounded and entropy-coded. */
export interface RateFacts {
  /** Bytes of the file in all. */
  readonly bytes: number;
  /** Bytes of each plane. */
  readonly planes: Readonly<Record<PlaneName, number>>;
  /** The rounded planes. */
  readonly film: FilmData;
}

/** How planes are rounded. */
export interface RateSettings {
  /** The distance between neighbouring numbers, 1/65536 to 64. */
  readonly step: number;
  /** The channels that are kept (default: all). */
  readonly budget?: ChannelBudget | undefined;
}

/** What is known of a loaded generator of planes. */
export interface GeneratorFacts {
  /** Its name in the worker. */
  readonly id: string;
  /** The tokenizer that decodes what it generates, which is loaded. */
  readonly model: ModelFacts;
  /** The names of its classes in the order of their numbers, or the numbers where they have no names. */
  readonly classes: readonly string[];
  /** Whether guidance can be more than 1: it was also trained without classes. */
  readonly guided: boolean;
  /** Bytes of its file. */
  readonly bytes: number;
}

/** How planes are generated. */
export interface GenerateSettings {
  /** The generator (default: the one that was loaded last). */
  readonly generator?: string | undefined;
  /** The seed of all random numbers (default 0). */
  readonly seed?: number | undefined;
  /** The number of the class, from 0 (default 0). */
  readonly class?: number | undefined;
  /** Steps from noise to planes (default 50). */
  readonly steps?: number | undefined;
  /** How far the class is exaggerated, 0 to 20; 1 is the model as it is (default 1). */
  readonly guidance?: number | undefined;
  /** The sampler (default `heun2`). */
  readonly solver?: "euler" | "heun2" | "sde-euler" | "sde-heun" | undefined;
  /** Frames per second of the film (default 25). */
  readonly fps?: number | undefined;
}

/** Planes on their way from noise to a film. */
export interface GeneratedState {
  /** The planes, as the tokenizer takes them. */
  readonly film: FilmData;
  /** 0 for noise, 1 for the end. */
  readonly time: number;
}
