import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { CoordTokError } from "@coordtok/core";
import type { MetricCase } from "./metric-cases.js";

const script = fileURLToPath(new URL("metrics_torch.py", import.meta.url));

/** A measure in PyTorch, in a separate process that waits for requests. */
export class TorchSide {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  private constructor(python: string, args: readonly string[]) {
    this.#child = spawn(python, [script, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts the process for a case. @throws CoordTokError `backend` with the tail of its output when it fails. */
  static async start(python: string, { peer, frames, side }: MetricCase): Promise<TorchSide> {
    const started = new TorchSide(python, [peer!, ...[frames, side, side].map(String)]);
    await started.#answer();
    return started;
  }

  /** Measures the time of a call in seconds: the mean over a number of consecutive calls. */
  async seconds(calls: number): Promise<number> {
    this.#child.stdin!.write(`${calls}\n`);
    return Number(await this.#answer());
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.stdin!.end();
    await closed;
  }

  async #answer(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done !== true) return line.value;
    throw new CoordTokError("backend", "The PyTorch peer failed.", {
      details: this.#errors.trim().split("\n").slice(-10),
    });
  }
}
