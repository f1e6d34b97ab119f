import { parentPort, workerData } from "node:worker_threads";
import { isCoordTokError } from "@coordtok/core";
import type { WindowAnswer, WindowOrder } from "./window-loader.js";
import { WindowReader, type WindowReaderOptions } from "./window-reader.js";

// A thread of `openWindowLoader`: it reads one window after another.
const port = parentPort!;
const reader = new WindowReader(workerData as WindowReaderOptions);
const stop = new AbortController();

port.on("message", (order: WindowOrder | "stop") => {
  if (order !== "stop") return void answer(order);
  stop.abort();
  // The port of a thread of Deno has no close; the thread itself has one.
  if ("close" in port) port.close();
  else (globalThis as { close?: () => void }).close?.();
});

async function answer({ id, request }: WindowOrder): Promise<void> {
  try {
    const clip = await reader.read(request, stop.signal);
    // A copy if the bytes are part of a larger buffer, such as Node's pool.
    const data = clip.data.buffer.byteLength === clip.data.byteLength ? clip.data : clip.data.slice();
    send({ id, clip: { ...clip, data } }, [data.buffer as ArrayBuffer]);
  } catch (thrown) {
    if (isCoordTokError(thrown)) {
      const { code, sentence, options, details, remedy } = thrown;
      send({ id, error: { code, sentence, options, details, remedy } });
    } else send({ id, bug: thrown });
  }
}

function send(message: WindowAnswer, transferred: ArrayBuffer[] = []): void {
  port.postMessage(message, transferred);
}
