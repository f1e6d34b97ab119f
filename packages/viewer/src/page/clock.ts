/** The one clock of the page: what is shown on all canvases is the frame that it names. */
export class Clock {
  #frames = 1;
  #fps = 25;
  #place = 0;
  #playing = false;
  #speed = 1;
  #loop = true;
  /** The smallest step between places: 1, or less where frames between frames are decoded. */
  #grain = 1;
  #last: number | undefined;
  #request: number | undefined;
  readonly #listeners = new Set<() => void>();

  /** The place shown: a frame number, or between two where slow motion is decoded. */
  get place(): number {
    const steps = Math.floor(this.#place / this.#grain + 1e-6);
    return Math.min(this.#frames - 1, steps * this.#grain);
  }

  /** The frame shown. */
  get frame(): number {
    return Math.min(this.#frames - 1, Math.floor(this.#place + 1e-6));
  }

  get frames(): number {
    return this.#frames;
  }

  get fps(): number {
    return this.#fps;
  }

  get playing(): boolean {
    return this.#playing;
  }

  get speed(): number {
    return this.#speed;
  }

  /** The smallest step between places: 1, or less where frames between frames are decoded. */
  get grain(): number {
    return this.#grain;
  }

  get loop(): boolean {
    return this.#loop;
  }

  /** Called at each change of the place or of the state. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  setFilm(frames: number, fps: number): void {
    this.#frames = Math.max(1, frames);
    this.#fps = fps;
    this.#place = Math.min(this.#place, this.#frames - 1);
    this.#notify();
  }

  setSpeed(speed: number, grain = 1): void {
    this.#speed = speed;
    this.#grain = grain;
    this.#notify();
  }

  setLoop(loop: boolean): void {
    this.#loop = loop;
    this.#notify();
  }

  seek(place: number): void {
    this.#place = Math.min(this.#frames - 1, Math.max(0, place));
    this.#notify();
  }

  /** Moves by frames, round the end where it loops. */
  step(by: number): void {
    this.pause();
    const next = this.frame + by;
    this.seek(this.#loop ? (next + this.#frames) % this.#frames : next);
  }

  play(): void {
    if (this.#playing) return;
    if (!this.#loop && this.frame >= this.#frames - 1) this.#place = 0;
    this.#playing = true;
    this.#last = undefined;
    this.#request = requestAnimationFrame(this.#tick);
    this.#notify();
  }

  pause(): void {
    if (!this.#playing) return;
    this.#playing = false;
    if (this.#request !== undefined) cancelAnimationFrame(this.#request);
    this.#notify();
  }

  toggle(): void {
    if (this.#playing) this.pause();
    else this.play();
  }

  readonly #tick = (now: number): void => {
    if (!this.#playing) return;
    const before = this.place;
    const elapsed = this.#last === undefined ? 0 : Math.min(0.25, (now - this.#last) / 1000);
    this.#last = now;
    this.#place += elapsed * this.#fps * this.#speed;
    if (this.#place >= this.#frames) {
      if (this.#loop) this.#place %= this.#frames;
      else {
        this.#place = this.#frames - 1;
        this.#playing = false;
      }
    }
    if (this.#playing) this.#request = requestAnimationFrame(this.#tick);
    if (this.place !== before || !this.#playing) this.#notify();
  };

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
