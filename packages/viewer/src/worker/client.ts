import { starter, starterBytes } from "@coordtok/starter";
import { checkOptions, longCallOptionNames, type LongCallOptions, type OptionNames } from "@coordtok/core";
import { Channel } from "./channel.js";
import type { CallEvent, Calls } from "./messages.js";
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
  ModelSource,
  OpenedFilm,
  RateFacts,
  RateSettings,
  RefineSettings,
  SaveSettings,
  WindowData,
} from "./types.js";

/** Options of {@link CoordTokWorker.start}. */
export interface StartOptions extends LongCallOptions {
  /** The backend (default `auto`: WebGPU if there is a graphics card, otherwise wasm). */
  readonly backend?: "auto" | "webgpu" | "wasm" | "cpu" | undefined;
  /** The address of the worker's program, where a page serves it from somewhere else (default: the file in this package). */
  readonly program?: URL | string | undefined;
}

/** Options of {@link CoordTokWorker.encode}. */
export interface EncodeOptions extends LongCallOptions, EncodeSettings {
  /** Called with each window as soon as it is encoded, with its number. */
  readonly onWindow?: ((window: WindowData, index: number) => void) | undefined;
  /** Whether the bytes of the frames move to the worker and are gone here (default: they are copied). */
  readonly transfer?: boolean | undefined;
}

/** Options of {@link CoordTokWorker.decode}. */
export interface DecodeOptions extends LongCallOptions, DecodeSettings {
  /** Called with each frame as soon as it is decoded; the result is then empty. */
  readonly onFrame?: ((frame: DecodedFrame) => void) | undefined;
}

/** Options of {@link CoordTokWorker.refine}. */
export interface RefineOptions extends LongCallOptions, RefineSettings {
  /** Called with each window as soon as it is refined, with its number. */
  readonly onWindow?: ((window: WindowData, index: number) => void) | undefined;
}

/** Options of {@link CoordTokWorker.generate}. */
export interface GenerateOptions extends LongCallOptions, GenerateSettings {
  /** Called with the planes after each step, first with the noise. */
  readonly onState?: ((state: GeneratedState) => void) | undefined;
}

/** Options of {@link CoordTokWorker.save}. */
export interface SaveOptions extends LongCallOptions, SaveSettings {}

/** Options of {@link CoordTokWorker.rate}. */
export interface RateOptions extends LongCallOptions, RateSettings {}

const startOptionNames: OptionNames<StartOptions> = { ...longCallOptionNames, backend: true, program: true };
const encodeSettingNames: OptionNames<EncodeSettings> = {
  model: true,
  fps: true,
  windowFrames: true,
  overlap: true,
  split: true,
  budget: true,
  size: true,
  fit: true,
};
const encodeOptionNames: OptionNames<EncodeOptions> = {
  ...longCallOptionNames,
  ...encodeSettingNames,
  onWindow: true,
  transfer: true,
};
const decodeOptionNames: OptionNames<DecodeOptions> = {
  ...longCallOptionNames,
  positions: true,
  rectangle: true,
  onFrame: true,
};
const refineOptionNames: OptionNames<RefineOptions> = {
  ...longCallOptionNames,
  steps: true,
  windows: true,
  onWindow: true,
};
const generateOptionNames: OptionNames<GenerateOptions> = {
  ...longCallOptionNames,
  generator: true,
  seed: true,
  class: true,
  steps: true,
  guidance: true,
  solver: true,
  fps: true,
  onState: true,
};
const saveOptionNames: OptionNames<SaveOptions> = {
  ...longCallOptionNames,
  format: true,
  dtype: true,
  step: true,
  budget: true,
  name: true,
};
const rateOptionNames: OptionNames<RateOptions> = { ...longCallOptionNames, step: true, budget: true };

/**
 * A tokenizer in a worker: it computes while the page stays awake. Calls run one after the other; films travel as plain data. Free it with
 * `dispose()` or `using`.
 */
export class CoordTokWorker implements Disposable {
  /** The backend that it computes with. */
  readonly backend: BackendFacts;
  readonly #channel: Channel<Calls>;
  #files = 0;

  private constructor(channel: Channel<Calls>, backend: BackendFacts) {
    this.#channel = channel;
    this.backend = backend;
  }

  /**
   * Starts a worker and its backend. No weights are loaded yet.
   * @throws CoordTokError `backend` when the program or the backend does not start, `aborted`.
   */
  static async start(options: StartOptions = {}): Promise<CoordTokWorker> {
    checkOptions(options, startOptionNames, "CoordTokWorker.start");
    const { backend = "auto", program, signal, onProgress } = options;
    const channel = new Channel<Calls>(
      program === undefined
        ? new Worker(new URL("./program.js", import.meta.url), { type: "module" })
        : new Worker(program, { type: "module" }),
    );
    try {
      return new CoordTokWorker(channel, await channel.call("start", { backend }, { signal, onProgress }));
    } catch (thrown) {
      channel.close();
      throw thrown;
    }
  }

  /**
   * Loads a tokenizer; one that is loaded already is given at once.
   * @throws CoordTokError `checkpoint` for a file that holds no tokenizer, `file-read` for weights that cannot be fetched, `aborted`.
   */
  async load(source: ModelSource = "starter", options: LongCallOptions = {}): Promise<ModelFacts> {
    checkOptions(options, longCallOptionNames, "CoordTokWorker.load");
    const address = source === "starter" ? starter : source === "starter-bytes" ? starterBytes : source;
    if (address instanceof Blob)
      return this.#channel.call("load", { source: address, id: `file-${String(this.#files++)}` }, options);
    const id = typeof source === "string" ? source : address.href;
    return this.#channel.call("load", { source: addressOf(address), id }, options);
  }

  /**
   * Encodes frames to planes, window by window.
   * @throws CoordTokError `input` before a model is loaded, `config` for settings that the tokenizer does not take, `aborted`.
   */
  async encode(frames: FramesData, options: EncodeOptions = {}): Promise<FilmData> {
    checkOptions(options, encodeOptionNames, "CoordTokWorker.encode");
    const { signal, onProgress, onWindow, transfer, ...settings } = options;
    return this.#channel.call(
      "encode",
      { frames, settings },
      { signal, onProgress, onEvent: windowsOf(onWindow), transfer: transfer === true ? [frames.data.buffer] : [] },
    );
  }

  /**
   * Decodes any frames of a film. With `onFrame` they come one by one, in the order wanted; otherwise all at the end.
   * @throws CoordTokError `input` for frames outside of the film or a rectangle outside of the picture, `shape` for planes that are not
   *   those of the model, `aborted`.
   */
  async decode(film: FilmData, options: DecodeOptions = {}): Promise<DecodedFrame[]> {
    checkOptions(options, decodeOptionNames, "CoordTokWorker.decode");
    const { signal, onProgress, onFrame, ...settings } = options;
    const frames: DecodedFrame[] = [];
    const onEvent = (event: CallEvent): void => {
      if (!("frame" in event)) return;
      if (onFrame) onFrame(event.frame);
      else frames.push(event.frame);
    };
    await this.#channel.call("decode", { film, settings }, { signal, onProgress, onEvent });
    return frames;
  }

  /**
   * Improves the planes of a film with the decoder fixed.
   * @param frames those of the film, of the encoded size.
   * @returns the film with better planes; the one given stays as it is.
   * @throws CoordTokError `config` for settings out of range, `shape` for frames of another size, `aborted`.
   */
  async refine(film: FilmData, frames: FramesData, options: RefineOptions = {}): Promise<FilmData> {
    checkOptions(options, refineOptionNames, "CoordTokWorker.refine");
    const { signal, onProgress, onWindow, ...settings } = options;
    return this.#channel.call(
      "refine",
      { film, frames, settings },
      { signal, onProgress, onEvent: windowsOf(onWindow) },
    );
  }

  /**
   * Loads a generator of planes, a checkpoint that `coordtok train-diffusion` writes, and the tokenizer that decodes what it generates: a starter, or a
   * checkpoint that was loaded before.
   * @param source the address of the checkpoint or its file.
   * @throws CoordTokError `checkpoint` for a file that holds no generator, for one without statistics of its latents, or whose tokenizer is not
   *   loaded; `file-read` for weights that cannot be fetched, `aborted`.
   */
  async loadGenerator(source: URL | Blob, options: LongCallOptions = {}): Promise<GeneratorFacts> {
    checkOptions(options, longCallOptionNames, "CoordTokWorker.loadGenerator");
    const isFile = source instanceof Blob;
    const id = isFile ? `generator-${String(this.#files++)}` : source.href;
    return this.#channel.call(
      "generator",
      { source: isFile ? source : addressOf(source), id, known: known() },
      options,
    );
  }

  /**
   * Generates the planes of a film from noise; `decode` makes frames of them. The same seed, class, steps, guidance and solver give the same
   * planes as `coordtok sample`, up to rounding.
   * @throws CoordTokError `input` before a generator is loaded or for a class that it does not have, `config` for settings out of range, `aborted`.
   */
  async generate(options: GenerateOptions = {}): Promise<FilmData> {
    checkOptions(options, generateOptionNames, "CoordTokWorker.generate");
    const { signal, onProgress, onState, ...settings } = options;
    const onEvent = (event: CallEvent): void => {
      if ("state" in event) onState?.(event.state);
    };
    return this.#channel.call("generate", settings, { signal, onProgress, onEvent });
  }

  /**
   * Opens a file of planes, `.triplane.safetensors` or `.coordtok`, and loads the model that made them: a starter, a decoder in the file, or a checkpoint
   * that was loaded before.
   * @throws CoordTokError `file-format` for a broken file, `checkpoint` for one of another kind or of another model, `aborted`.
   */
  async open(file: Blob, options: LongCallOptions = {}): Promise<OpenedFilm> {
    checkOptions(options, longCallOptionNames, "CoordTokWorker.open");
    return this.#channel.call("open", { file, known: known() }, options);
  }

  /**
   * Writes a film to a file.
   * @throws CoordTokError `input` for numbers beyond the range of `F16`, `not-finite`, `aborted`.
   */
  async save(film: FilmData, options: SaveOptions = {}): Promise<Blob> {
    checkOptions(options, saveOptionNames, "CoordTokWorker.save");
    const { signal, onProgress, ...settings } = options;
    return this.#channel.call("save", { film, settings }, { signal, onProgress });
  }

  /**
   * Rounds and codes the planes of a film, as a `.coordtok` file does.
   * @throws CoordTokError `config` for a step out of range, `input` for numbers too large for it, `aborted`.
   */
  async rate(film: FilmData, options: RateOptions): Promise<RateFacts> {
    checkOptions(options, rateOptionNames, "CoordTokWorker.rate");
    const { signal, onProgress, ...settings } = options;
    return this.#channel.call("rate", { film, settings }, { signal, onProgress });
  }

  /** Ends the worker and frees its memory; calls that run fail with code `aborted`. */
  dispose(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function windowsOf(onWindow: EncodeOptions["onWindow"]): (event: CallEvent) => void {
  return (event) => {
    if ("window" in event) onWindow?.(event.window.window, event.window.index);
  };
}

/** The models that files name and the page has. */
function known(): Readonly<Record<string, string>> {
  return { starter: addressOf(starter), "starter-bytes": addressOf(starterBytes) };
}

/** An address that a worker can use as well; a bundler may give relative ones for the weights. */
function addressOf(address: URL): string {
  return new URL(address, (globalThis as { document?: { baseURI: string } }).document?.baseURI).href;
}
