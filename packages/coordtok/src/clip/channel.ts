type Result<T> = IteratorResult<T, undefined>;

/** Hands values from a producer to one consumer, one at a time: the producer waits until the value before has been taken. */
export class Channel<T> implements AsyncIterable<T> {
  #waiting: { readonly resolve: (result: Result<T>) => void; readonly reject: (reason: unknown) => void } | undefined;
  #offered: { readonly result: Result<T>; readonly taken: () => void } | undefined;
  #end: { readonly reason: unknown } | undefined;

  /** Offers the next value. @returns when it has been taken, or when the channel has been closed. */
  async push(value: T): Promise<void> {
    await this.#offer({ done: false, value });
  }

  /** Says that no more values come. @returns when the consumer knows. */
  async end(): Promise<void> {
    await this.#offer({ done: true, value: undefined });
  }

  async #offer(result: Result<T>): Promise<void> {
    if (this.#end) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) {
      waiting.resolve(result);
      return;
    }
    await new Promise<void>((taken) => {
      this.#offered = { result, taken };
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: async () => {
        if (this.#end) throw this.#end.reason;
        const offered = this.#offered;
        this.#offered = undefined;
        offered?.taken();
        if (offered) return offered.result;
        return new Promise((resolve, reject) => {
          this.#waiting = { resolve, reject };
        });
      },
    };
  }

  /** Ends both sides at once: the producer does not wait any more, and the consumer is given an error. */
  close(reason: unknown): void {
    this.#end ??= { reason };
    this.#offered?.taken();
    this.#offered = undefined;
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }
}
