import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "./check-command.js";

/** A bound in the words of the table, and where the reader has it: a file, and what stands before its number. */
type Bound = readonly [words: string, file: string, before: string];

/** Every row of the table by its first cell, with the bounds that are numbers in the readers. */
const rows: Readonly<Record<string, readonly Bound[]>> = {
  "video, picture": [
    ["2^26", "packages/video/src/node/input-arguments.ts", "defaultMaxPixels: number ="],
    ["120", "packages/video/src/node/ffmpeg-program.ts", "probe: { seconds:"],
    ["300", "packages/video/src/node/ffmpeg-program.ts", "frames: { silentSeconds:"],
    ["4096", "packages/core/src/node/program.ts", "longestLine ="],
    ["8 MiB", "packages/core/src/node/program.ts", "mostOutput ="],
  ],
  "what ffprobe prints": [
    ["2^31", "packages/video/src/node/stream-facts.ts", "integer(), minValue(0), maxValue("],
    ["10 000", "packages/video/src/node/stream-facts.ts", "string(), maxLength("],
  ],
  "pictures that ffmpeg writes": [["2^29", "packages/video/src/node/ppm.ts", "mostPixelsEver ="]],
  "safetensors (weights, triplanes, latents, statistics)": [
    ["100 MB", "packages/core/src/checkpoint/safetensors-header.ts", "longestHeader ="],
  ],
  "film of planes (`.triplane.safetensors`)": [
    ["2^20", "packages/triplane/src/film-facts.ts", "most = { windows:"],
    ["4096", "packages/triplane/src/film-facts.ts", "20, tiles:"],
    ["2^16", "packages/triplane/src/film-facts.ts", "4096, side:"],
  ],
  "film of coded planes (`.coordtok`)": [
    ["2^20", "packages/bitstream/src/format.ts", "windows:"],
    ["2^23", "packages/bitstream/src/format.ts", "planeNumbers:"],
    ["64", "packages/bitstream/src/format.ts", "channels:"],
    ["2^24", "packages/bitstream/src/film.ts", "mostFrames ="],
    ["2^15", "packages/bitstream/src/format.ts", "numbersPerByte ="],
    ["64 MiB", "packages/bitstream/src/format.ts", "factBytes:"],
    ["128 MiB", "packages/bitstream/src/format.ts", "indexBytes:"],
  ],
  "film in the viewer": [
    ["16 MiB", "packages/viewer/src/page/open-files.ts", "mostHeader ="],
    ["2^28", "packages/viewer/src/engine/open.ts", "mostNumbers ="],
  ],
  "configuration of a model": [
    ["1024", "packages/core/src/config.ts", "= { layers:"],
    ["2^20", "packages/core/src/config.ts", "= { layers: 1024, size:"],
  ],
  "checkpoint of a training": [],
  "PyTorch (`.pth`, `.pt`)": [
    ["64 MiB", "packages/core/src/torch/archive.ts", "longestPickle: number ="],
    ["1 000 000", "packages/core/src/torch/content.ts", "mostParts ="],
    ["64", "packages/core/src/torch/calls.ts", "mostAxes ="],
    ["100 000", "packages/core/src/torch/unpickle.ts", "deepestStack ="],
  ],
  "JSON of any of these": [["200", "packages/core/src/text/json.ts", "deepest ="]],
  "`index.json`, facts of a shard": [
    ["256 MiB", "packages/core/src/node/read-text.ts", "mostBytes ="],
    ["10 000", "packages/coordtok/src/latents/stored.ts", "maxLength("],
  ],
  "`.coordtok.deal-N.json`": [
    ["256 MiB", "packages/coordtok/src/latents/deal-file.ts", "mostBytes ="],
    ["100 000", "packages/coordtok/src/latents/stored.ts", "of: pipe(positive, maxValue("],
  ],
  "resized frames of a training, `*.frames`": [
    ["4096", "packages/video/src/node/windows/frame-store.ts", "mostDescription ="],
    [
      "2^16",
      "packages/video/src/node/windows/frame-store.ts",
      "side = pipe(number(), integer(), minValue(1), maxValue(",
    ],
  ],
  "`config.json`, `metrics.jsonl` of a run": [
    ["64 MiB", "packages/coordtok/src/train/run-config.ts", "mostBytes:"],
    ["256 MiB", "packages/core/src/node/read-text.ts", "mostBytes ="],
  ],
  "configuration file of a training, YAML or JSON": [
    ["64 MiB", "packages/coordtok/src/cli/config-file.ts", "mostBytes ="],
    ["100", "packages/coordtok/src/cli/config-file.ts", "maxAliasCount:"],
  ],
  "`settings.json`, `*.jsonl` of an evaluation": [
    ["64 MiB", "packages/evaluation/src/evaluation-folder.ts", "mostSettings ="],
    ["256 MiB", "packages/core/src/node/read-text.ts", "mostBytes ="],
    ["100 000", "packages/evaluation/src/stored.ts", "mostParts ="],
    ["10 000", "packages/evaluation/src/stored.ts", "maxLength("],
  ],
  "strips of an evaluation": [["16 MiB", "packages/evaluation/src/evaluation-folder.ts", "mostStrip ="]],
  "`.coordtok-results.json`": [
    ["64 MiB", "packages/coordtok/src/cli/result-records.ts", "longestRecords ="],
    ["10 000", "packages/coordtok/src/cli/result-records.ts", "maxLength("],
  ],
  "`.coordtok.json`": [["64 KiB", "packages/core/src/node/own-folder.ts", "mostBytes:"]],
  "lock files": [["4 KiB", "packages/core/src/node/lock.ts", "mostBytes:"]],
  "list of paths and addresses (`--list` without a folder)": [
    ["10 000", "packages/coordtok/src/latents/list-lines.ts", "longestLine ="],
  ],
  "tar archive of videos (WebDataset)": [
    ["64 KiB", "packages/coordtok/src/latents/tar-members.ts", "mostExtra ="],
    ["10 000", "packages/coordtok/src/latents/tar-members.ts", "mostName ="],
    ["8 GiB", "packages/coordtok/src/latents/encode-list.ts", "mostMember ="],
  ],
  "lists of videos, logs with statistics": [
    ["256 MiB", "packages/core/src/node/read-text.ts", "mostBytes ="],
    ["64 MiB", "packages/coordtok/src/convert/convert.ts", "longestLog ="],
  ],
  "files from the network": [
    ["64 GiB", "packages/core/src/node/web/download.ts", "mostBytes ="],
    ["30", "packages/core/src/node/web/request.ts", "WebLimits = {\n  answerSeconds:"],
    ["60", "packages/core/src/node/web/request.ts", "answerSeconds: 30,\n  silentSeconds:"],
    ["4 MiB", "packages/coordtok/src/models/remote-file.ts", "longestAnswer ="],
  ],
  "`model.json` of a cached model": [["64 KiB", "packages/coordtok/src/models/model-cache.ts", "mostBytes:"]],
  "`setup.json` and what names the one in use": [["1 MiB", "packages/core/src/node/installed.ts", "longestFacts ="]],
  "wheel, npm package": [
    ["64 MiB", "packages/backend/src/setup/wheel.ts", "longestText ="],
    ["4 MiB", "packages/backend/src/setup/tfjs-node-files.ts", "longest = { packed:"],
    ["64 MiB", "packages/backend/src/setup/tfjs-node-files.ts", "unpacked:"],
  ],
};

const units: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, MB: 1e6 };

/** The number of `2^26`, `64 MiB` or `10 000`. */
function numberOfWords(words: string): number {
  const [, base, power, unit] = /^([\d ]+?)(?:\^(\d+))? ?([KMG]i?B)?$/.exec(words) ?? [];
  return Number(base?.replaceAll(" ", "")) ** Number(power ?? 1) * (unit === undefined ? 1 : units[unit]!);
}

/** The number that stands behind some words of a source: digits, products and powers. */
function numberBehind(file: string, before: string): number {
  const text = readFileSync(join(root, file), "utf8");
  const at = text.indexOf(before);
  const expression = /^\s*([\d_x*\sa-f]+)/.exec(at < 0 ? "" : text.slice(at + before.length))?.[1] ?? "";
  const factors = expression.replaceAll("_", "").replaceAll(/\s/g, "").replaceAll("**", "^").split("*");
  return factors.reduce((product, factor) => {
    const [base, power = "1"] = factor.split("^");
    return product * Number(base) ** Number(power);
  }, 1);
}

/** The rows of the table of formats: first cell and bounds. */
function tableRows(): ReadonlyMap<string, string> {
  const text = readFileSync(join(root, "SECURITY.md"), "utf8");
  const lines = text.slice(text.indexOf("| format | read by | bounds |")).split("\n").slice(2);
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return new Map(
    lines.slice(0, end).map((line) => {
      const [, format, , bounds] = line.split(" | ").join("|").split("|");
      return [format!.trim(), bounds!.trim()];
    }),
  );
}

describe("the table of formats in SECURITY.md", () => {
  it("has one row for every format", () => {
    expect([...tableRows().keys()]).toEqual(Object.keys(rows));
  });

  it.each(Object.keys(rows))("states the bounds that the readers of %s have", (format) => {
    const bounds = tableRows().get(format)!;
    for (const [words, file, before] of rows[format]!) {
      expect(bounds).toContain(words);
      expect([file, before, numberBehind(file, before)]).toEqual([file, before, numberOfWords(words)]);
    }
  });
});
