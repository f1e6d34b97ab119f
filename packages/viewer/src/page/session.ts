import type { LongCallOptions, ProgressEvent } from "@coordtok/core";
import { Channel } from "../worker/channel.js";
import type { MediaCalls, MediaClip, ReadSettings } from "../media/messages.js";
import { CoordTokWorker } from "../worker/client.js";
import type { FilmData, FramesData, ModelSource } from "../worker/types.js";
import { basisInTurns, basisOf, type PlaneBasis } from "./colours.js";
import { Clock } from "./clock.js";
import { Decoding } from "./decoding.js";
import { editFilm, noEdits, planeNames, strokeOf, withStroke, type Edits } from "./edits.js";
import { Frames } from "./frames.js";
import { generateFilm, nameOfGenerated } from "./generation.js";
import { windowAt, type Cell } from "./geometry.js";
import { initialState, type PageState, type SceneName } from "./state.js";
import { Prober } from "./probe.js";
import { Reading, sceneSettings } from "./reading.js";
import { measureShares } from "./shares.js";
import { createStore, type Store } from "./store.js";
import { Work } from "./work.js";

/** The work of the page: what is loaded, encoded, changed and decoded. Components show its state and call its methods. */
export class Session {
  readonly state: Store<PageState> = createStore(initialState);
  readonly clock: Clock = new Clock();
  frames: Frames = new Frames(undefined);
  basis: PlaneBasis | undefined;
  /** Rises with each basis. */
  basisNumber = 0;
  readonly #media: Channel<MediaCalls>;
  /** The frame that the first clip is shown at. */
  startAt = 0;
  #worker: CoordTokWorker | undefined;
  #clip: MediaClip | undefined;
  #other: FilmData | undefined;
  /** The work of the present clip: encoding, refining. */
  readonly #work: Work = new Work(this.state);

  constructor() {
    this.#media = new Channel(new Worker(new URL("../media/program.js", import.meta.url), { type: "module" }));
  }

  /** Starts the backend and loads the starter. */
  async start(backend: "auto" | "webgpu" | "wasm" | "cpu" = "auto"): Promise<void> {
    this.#worker?.dispose();
    this.#worker = undefined;
    this.state.set({ generator: undefined });
    await this.#run("Starting", async (options) => {
      this.#worker = await CoordTokWorker.start({ backend, ...options });
      this.state.set({ backend: this.#worker.backend });
      const model = await this.#worker.load("starter", options);
      this.state.set({ model });
    });
  }

  /** Loads another model and encodes the clip again. */
  async useModel(source: ModelSource): Promise<void> {
    if (await this.#load(source)) await this.encodeAgain();
  }

  async #load(source: ModelSource): Promise<boolean> {
    const model = await this.#run("Loading weights", (options) => this.#worker!.load(source, options));
    if (!model) return false;
    this.#other = undefined;
    this.state.set({ model });
    return true;
  }

  /** Loads a tokenizer, a generator, or a generator with its tokenizer, and uses it. */
  async openCheckpoints(tokenizer: File | undefined, generator: File | undefined): Promise<void> {
    if (!generator) return tokenizer && this.useModel(tokenizer);
    if (tokenizer && !(await this.#load(tokenizer))) return;
    const facts = await this.#run("Loading weights", (options) => this.#worker!.loadGenerator(generator, options));
    if (!facts) return;
    this.state.set({ generator: facts, sampling: { ...this.state.get().sampling, class: 0, guidance: 1 } });
    await this.generate();
  }

  /** Lets planes emerge from noise, shows them at each step, and decodes those at the end. */
  async generate(): Promise<void> {
    const { generator, sampling } = this.state.get();
    if (!generator || !this.#worker) return;
    this.#decoding.stop();
    const basis = this.state.get().film?.model === generator.model.id ? this.basis : undefined;
    const film = await this.#run("Generating", (options) =>
      generateFilm(this.#worker!, generator, sampling, {
        ...options,
        onStates: (states) => {
          const newest = states.at(-1)!;
          if (states.length === 1) this.#beginGenerated(newest);
          // Colours stay the same from step to step where those of the clip before can be kept.
          this.basis = basis ?? basisOf(newest);
          this.basisNumber++;
          this.state.set({ film: newest, states, stateShown: states.length - 1 });
          this.#applyEdits();
        },
      }),
    );
    if (!film) return;
    await this.#setFilm(film);
    await this.#rate();
    await this.decode();
  }

  #beginGenerated(film: FilmData): void {
    const { sampling, generator } = this.state.get();
    this.#clip = undefined;
    this.reading.forget();
    this.#reset(film.frames, film.fps);
    this.frames = new Frames(undefined, film);
    this.state.set({ shown: { name: nameOfGenerated(generator!, sampling) }, model: generator!.model });
  }

  /** Shows and decodes the planes as they were after a step of generation. */
  async showState(index: number): Promise<void> {
    const film = this.state.get().states?.[index];
    if (!film) return;
    this.state.set({ film, stateShown: index });
    this.#applyEdits();
    await this.decode();
  }

  async openScene(scene: SceneName): Promise<void> {
    const settings = sceneSettings(scene, this.state.get().pattern);
    await this.#open(scene, (options) => this.#media.call("scene", settings, options));
  }

  async openVideo(file: Blob, name: string, settings: ReadSettings): Promise<void> {
    await this.#open(undefined, (options) => this.#media.call("read", { file, name, settings }, options));
  }

  async openPictures(files: readonly Blob[], name: string, settings: ReadSettings): Promise<void> {
    await this.#open(undefined, (options) => this.#media.call("pictures", { files, name, settings }, options));
  }

  /** Opens planes from a file; there is no original to compare with. */
  async openPlanes(file: Blob, name: string): Promise<void> {
    await this.#run("Reading planes", async (options) => {
      const opened = await this.#worker!.open(file, options);
      this.#clip = undefined;
      this.reading.forget();
      this.#reset(opened.film.frames, opened.film.fps);
      this.frames = new Frames(undefined, opened.film);
      this.state.set({ shown: { name: opened.name ?? name }, model: opened.model });
      await this.#setFilm(opened.film);
    });
    await this.decode();
  }

  async #open(scene: SceneName | undefined, read: (options: LongCallOptions) => Promise<MediaClip>): Promise<void> {
    const clip = await this.#run("Reading frames", read);
    if (!clip) return;
    this.#clip = clip;
    const { name, credit, source, frames, fps } = clip;
    this.#reset(frames.frameCount, fps);
    this.frames = new Frames(frames);
    this.state.set({ shown: { name, scene, credit, source } });
    await this.encodeAgain();
  }

  #reset(frames: number, fps: number): void {
    this.#decoding.stop();
    this.#other = undefined;
    this.basis = undefined;
    this.clock.setFilm(frames, fps);
    this.clock.seek(this.startAt);
    this.startAt = 0;
    const { edits } = this.state.get();
    this.state.set({
      film: undefined,
      edited: undefined,
      rate: undefined,
      shares: undefined,
      refined: 0,
      edits: { ...edits, strokes: [] },
      decoded: 0,
      timing: undefined,
      states: undefined,
    });
  }

  /** Encodes the clip with the model and the windows that are chosen. */
  async encodeAgain(): Promise<void> {
    const clip = this.#clip;
    if (!clip || !this.#worker) return;
    this.#decoding.stop();
    const film = await this.#run("Encoding", async (options) => {
      const fitted = await this.#fit(clip.frames, options);
      if (fitted !== this.frames.data) this.frames = new Frames(fitted);
      return this.#encode(fitted, clip.fps, options);
    });
    if (!film || this.#clip !== clip) return;
    this.state.set({ refined: 0, shares: undefined, rate: undefined });
    if (planeNames.some((name) => this.state.get().edits.modes[name] === "swapped")) await this.#encodeOther();
    await this.#setFilm(film);
    await this.#rate();
    await this.decode();
  }

  /** Frames of the one size that a tokenizer of the paper's form takes; those of the lattice form stay as they are. */
  async #fit(frames: FramesData, options: LongCallOptions): Promise<FramesData> {
    const size = this.state.get().model?.clip;
    if (!size || (size.height === frames.height && size.width === frames.width)) return frames;
    return this.#media.call("fit", { frames, height: size.height, width: size.width }, options);
  }

  #encode(frames: FramesData, fps: number, options: LongCallOptions): Promise<FilmData> {
    const { model, windowFrames } = this.state.get();
    return this.#worker!.encode(frames, {
      ...options,
      fps,
      ...(model?.form === "lattice"
        ? { windowFrames, size: { height: frames.height, width: frames.width } }
        : { fit: "crop" as const }),
    });
  }

  async #setFilm(film: FilmData): Promise<void> {
    const clip = this.#clip;
    const basis = await basisInTurns(film);
    if (this.#clip !== clip) return;
    this.basis = basis;
    this.basisNumber++;
    this.state.set({ film });
    this.#applyEdits();
  }

  #applyEdits(): void {
    const { film, edits, rate, step } = this.state.get();
    if (!film) return;
    const base = step !== undefined && rate ? rate.film : film;
    this.state.set({ edited: editFilm(base, edits, this.#other) });
  }

  /** Changes what is done to the planes, and decodes again. */
  async edit(change: Partial<Edits>): Promise<void> {
    const edits = { ...this.state.get().edits, ...change };
    this.state.set({ edits });
    if (planeNames.some((name) => edits.modes[name] === "swapped") && !this.#other) await this.#encodeOther();
    this.#applyEdits();
    if (change.budget !== undefined) this.#rateSoon();
    await this.decode();
  }

  /** The planes of another clip of the same size, to swap with. */
  async #encodeOther(): Promise<void> {
    const { height, width, count } = this.frames;
    const size = { height, width, frames: count };
    await this.#run("Encoding another clip", async (options) => {
      const clip = await this.#media.call("scene", { scene: "shapes", seed: 11, size }, options);
      this.#other = await this.#encode(clip.frames, clip.fps, options);
    });
  }

  readonly #decoding: Decoding = new Decoding(() => ({
    film: this.state.get().edited,
    frames: this.frames,
    clock: this.clock,
    state: this.state,
    worker: this.#worker,
    hasOtherWork: this.#work.isRunning,
    report: (thrown) => this.#work.report(thrown),
  }));

  /** Decodes what is on the screen, then all frames, those at the playhead first. */
  async decode(): Promise<void> {
    await this.#decoding.decode();
  }

  /** How fast the film plays, and how many frames are decoded for each of the video: the paper's form decodes places between frames. */
  setPace(speed: number, frameRate: number): void {
    const before = this.clock.grain;
    this.state.set({ frameRate });
    const grain = this.state.get().model?.form === "paper" ? Math.min(1, speed, 1 / frameRate) : 1;
    this.clock.setSpeed(speed, grain);
    if (grain !== before) void this.decode();
  }

  readonly #prober: Prober = new Prober(() => ({
    film: this.state.get().edited,
    frames: this.frames,
    frame: this.clock.frame,
    worker: this.#decoding.isRunning || this.#work.isRunning ? undefined : this.#worker,
  }));

  /** Shows what a cell changes at the frame that is shown, by decoding the frame without it. */
  probeSoon(cell: Cell): void {
    this.#prober.probeSoon(cell, (probe) => {
      if (this.state.get().pointer?.at === "cell") this.state.set({ probe });
    });
  }

  /** Paints on a plane: the numbers of a cell are multiplied. */
  paint(cell: Cell, factor: number): void {
    const { film, edits } = this.state.get();
    if (!film) return;
    const strokes = withStroke(edits.strokes, strokeOf(film, cell, factor));
    if (strokes !== edits.strokes) void this.edit({ strokes });
  }

  /** Improves the planes window by window while the film goes on playing. */
  async refine(steps: number): Promise<void> {
    const { film, edits } = this.state.get();
    const original = this.frames.data;
    if (!film || !original) return;
    const budgeted = editFilm(film, { ...noEdits, budget: edits.budget });
    const first = windowAt(film, this.clock.frame);
    const order = film.windows.map((_, i) => (first + i) % film.windows.length);
    await this.#run("Refining", async (options) => {
      let better = budgeted;
      for (const [round, index] of order.entries()) {
        const onProgress = ({ done, total = 0, ...event }: ProgressEvent): void =>
          options.onProgress?.({ ...event, done: round * total + done, total: order.length * total });
        better = await this.#worker!.refine(better, original, { ...options, steps, windows: [index], onProgress });
        this.state.set({ film: better });
        this.#applyEdits();
        await this.#decoding.decodeWindow(better.windows[index]!, options);
      }
      this.state.set({ refined: this.state.get().refined + steps });
    });
    await this.#rate();
    await this.decode();
  }

  /** Rounds the planes to multiples of a step, or no longer. */
  async round(step: number | undefined): Promise<void> {
    this.state.set({ step, ...(step === undefined ? { rate: undefined } : {}) });
    await this.#rate();
    await this.decode();
  }

  #rateTimer: ReturnType<typeof setTimeout> | undefined;

  #rateSoon(): void {
    clearTimeout(this.#rateTimer);
    this.#rateTimer = setTimeout(() => void this.#rate(), 400);
  }

  async #rate(): Promise<void> {
    const { film, step, edits } = this.state.get();
    if (film && step !== undefined)
      await this.#run("Rounding", async (options) => {
        const rate = await this.#worker!.rate(film, { ...options, step, budget: edits.budget });
        this.state.set({ rate });
      });
    this.#applyEdits();
  }

  /** Measures the window at the playhead with every choice of planes. */
  async measureShares(): Promise<void> {
    const { film } = this.state.get();
    if (!film || !this.frames.hasOriginal) return;
    const window = film.windows[windowAt(film, this.clock.frame)]!;
    await this.#run("Measuring planes", (options) =>
      measureShares(this.#worker!, film, window, this.frames, {
        ...options,
        onShares: (shares) => this.state.set({ shares }),
      }),
    );
  }

  /** The film that is decoded, as a file. */
  async savePlanes(format: "triplane" | "coordtok"): Promise<Blob | undefined> {
    const { edited, shown, step } = this.state.get();
    if (!edited) return undefined;
    return this.#run("Writing planes", (options) =>
      this.#worker!.save(edited, { ...options, format, step, name: shown?.name }),
    );
  }

  /** The reconstruction as a video. */
  async saveVideo(format: "mp4" | "webm"): Promise<Blob | undefined> {
    const { frameRate, model } = this.state.get();
    const rate = model?.form === "paper" ? frameRate : 1;
    const frames = this.frames.decodedFrames(rate);
    if (!frames) {
      this.state.set({ error: "Some frames are not decoded yet; wait until decoding has finished." });
      return undefined;
    }
    const fps = this.clock.fps * rate;
    return this.#run("Writing video", (options) => this.#media.call("write", { frames, fps, format }, options));
  }

  /** The file at hand, to be read again with other settings. */
  readonly reading: Reading = new Reading(this.state);

  /** Stops the work in progress. */
  stop(): void {
    this.#work.stop();
    this.#decoding.stop();
  }

  showError(sentence: string | undefined): void {
    this.#work.showError(sentence);
  }

  async #run<T>(what: string, work: (options: LongCallOptions) => Promise<T>): Promise<T | undefined> {
    return this.#work.run(what, work);
  }
}
