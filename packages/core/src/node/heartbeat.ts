import { Worker } from "node:worker_threads";

/** The number of seconds between two heartbeats. */
const heartbeatSeconds = 5;

/**
 * Writes the files that it is told of again and again, each with its own content, so that their file system says when it did. It runs
 * beside the computation, which may block the event loop for minutes.
 */
const code = `
const { parentPort, workerData } = require("node:worker_threads");
const { openSync, readSync, writeSync, closeSync } = require("node:fs");
const files = new Map();
parentPort.on("message", ({ path, text }) => (text === undefined ? files.delete(path) : files.set(path, Buffer.from(text))));
setInterval(() => {
  for (const [path, text] of files) {
    try {
      const file = openSync(path, "r+");
      try {
        const there = Buffer.alloc(text.length);
        readSync(file, there, 0, there.length, 0);
        if (there.equals(text)) writeSync(file, text, 0, text.length, 0);
      } finally {
        closeSync(file);
      }
    } catch {}
  }
}, workerData);`;

let worker: Worker | undefined;
let files = 0;

/**
 * Renews the time of a file every few seconds, as long as it holds a text, also while this thread computes.
 * @returns a function that stops it.
 */
export function startHeartbeat(path: string, text: string): () => void {
  if (worker === undefined) {
    // Without a heartbeat the lock still holds against the processes of this machine.
    worker = new Worker(code, { eval: true, execArgv: [], env: {}, workerData: heartbeatSeconds * 1000 });
    worker.on("error", () => undefined);
    worker.unref();
  }
  files++;
  worker.postMessage({ path, text });
  return () => {
    worker?.postMessage({ path });
    if (--files > 0) return;
    void worker?.terminate();
    worker = undefined;
  };
}
