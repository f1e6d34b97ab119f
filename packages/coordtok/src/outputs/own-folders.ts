import { join } from "node:path";
import { isCoordTokError } from "@coordtok/core";
import { parseStoredJson } from "@coordtok/core/text";
import { checkpointsFolder, readTextIfThere, type FolderEntry, type FolderOwner } from "@coordtok/core/node";
import { readIndex } from "../latents/index-file.js";
import { isShardName } from "../latents/shard-name.js";
import { eventFileName } from "../train/event-file.js";
import { openShard } from "../latents/shard.js";
import { readdir } from "node:fs/promises";

/** Names of what a training keeps in its folder. */
const runEntries: readonly FolderEntry[] = [
  ...["config.json", "versions.json", "metrics.jsonl", "metrics.damaged.jsonl", "curve.svg", "curve.png"].map(
    (name) => ({ name }),
  ),
  { name: eventFileName },
  { name: checkpointsFolder, entries: [{ name: "config.json" }, { name: /(?:step-\d+|best)\.safetensors/ }] },
  { name: "previews", entries: [{ name: /step-\d+\.(?:png|mp4)/ }] },
];

/** The folder of a training, of a tokenizer or of a generator. */
export const runOwner: FolderOwner = {
  command: "training",
  entries: runEntries,
  made: (path) => says(join(path, "config.json"), { settings: "object" }),
};

/** The folder of `reconstruct`. */
export const reconstructOwner: FolderOwner = {
  command: "reconstruct",
  entries: ["report.json", "reconstruction.mp4", "side-by-side.mp4", "planes.png"].map((name) => ({ name })),
  made: (path) => says(join(path, "report.json"), { psnrDb: "number", framesPsnrDb: "object" }),
};

/** The folder of the demo without training. */
export const starterDemoOwner: FolderOwner = {
  command: "demo",
  entries: ["summary.json", "side-by-side.mp4", "side-by-side.gif", "side-by-side.png"].map((name) => ({ name })),
  made: (path) => says(join(path, "summary.json"), { codingSeconds: "number", files: "object" }),
};

/** The folder of the demo that trains. */
export const trainDemoOwner: FolderOwner = {
  command: "demo --train",
  entries: [
    ...["summary.json", "source.mp4", "clip.triplane.safetensors"].map((name) => ({ name })),
    ...reconstructOwner.entries,
    { name: "run", entries: runEntries },
  ],
  made: (path) => says(join(path, "summary.json"), { trainingSeconds: "number", files: "object" }),
};

/** The folder of `encode-dataset`. */
export const latentsOwner: FolderOwner = {
  command: "encode-dataset",
  entries: [{ name: "index.json" }, { name: /shard-(?:\d+of\d+-)?\d{5,}\.(?:safetensors(?:\.damaged)?|tar)/ }],
  made: holdsLatents,
};

/** Whether a JSON file has members of these types. */
async function says(path: string, members: Readonly<Record<string, "number" | "object">>): Promise<boolean> {
  try {
    const stored: unknown = parseStoredJson((await readTextIfThere(path)) ?? "null");
    if (typeof stored !== "object" || stored === null) return false;
    const found = stored as Record<string, unknown>;
    return Object.entries(members).every(([name, type]) => typeof found[name] === type && found[name] !== null);
  } catch {
    return false;
  }
}

/** Whether there is an index of latents, or without one a file of latents. */
async function holdsLatents(path: string): Promise<boolean> {
  try {
    await readIndex(path);
    return true;
  } catch (thrown) {
    if (!isCoordTokError(thrown)) throw thrown;
  }
  const first = (await readdir(path)).find(isShardName);
  if (first === undefined) return false;
  return openShard(join(path, first)).then(
    () => true,
    () => false,
  );
}
