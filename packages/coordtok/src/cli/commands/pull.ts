import { bytesText, tableText } from "@coordtok/core/text";
import type { PulledModel } from "../../models/pull-model.js";
import { defineCommand, type AnyCommand } from "../command.js";
import { offlineFlag } from "../common-flags.js";
import { text } from "../flags.js";

export const pullCommand: AnyCommand = defineCommand({
  name: "pull",
  summary: "fetch a model into the cache, or a newer version of it",
  description:
    "Fetches a model and keeps it in the cache folder (COORDTOK_CACHE); official PyTorch weights are converted on the way. Names are those of `coordtok models`, hf:OWNER/REPO[@REVISION]/FILE for a file of the Hugging Face hub, or https://…[#sha256=…]. The SHA-256 of the hub or of the name is checked; where there is none, the first one seen is recorded and a change is refused. An interrupted download goes on. HF_ENDPOINT names another hub, HF_TOKEN a token for it, which is sent to that hub alone. Other commands fetch what they need by themselves.",
  args: [{ name: "NAME", help: "the model" }],
  flags: {
    revision: text("branch, tag or commit of the repository", {
      value: "name",
      defaultText: "that of the name, or main",
    }),
    offline: offlineFlag,
  },
  examples: [
    "pull coordtok-l-ucf101",
    "pull hf:huiwon/CoordTok@main/CoordTok_UCF101_1M_50K.pth",
    "pull https://example.org/mine.safetensors",
  ],
  calls: "pullModel",
  run: async ({ args, flags, signal, onProgress, note, warn }) => {
    const { pullModel } = await import("../../models/pull-model.js");
    const { revision, offline } = flags;
    const options = { revision, offline, signal, onProgress, onNote: note, onWarning: warn };
    const report = await pullModel(args[0]!, options);
    return { lines: [pulledText(report)], data: report };
  },
});

/** How a SHA-256 was checked, for people. */
const sums = {
  hub: "as the hub says",
  name: "as the name says",
  "first seen": "recorded; neither the name nor the server gave one to compare with",
} as const;

function pulledText(model: PulledModel): string {
  const { from, path, bytes, sha256, source, commit, converted, alreadyThere, licence } = model;
  const was = alreadyThere ? "nothing new" : converted ? "fetched and converted" : "fetched";
  const rows: [string, string][] = [
    ["model", `a ${model.holds} from ${from}: ${was}`],
    [
      "licence",
      licence ?? "none is stated for these weights; ask their authors before you pass them or results of them on",
    ],
  ];
  if (commit !== null) rows.push(["commit", commit]);
  const sum = source?.sha256 ?? sha256;
  rows.push(["SHA-256", source === undefined ? sum : `${sum}, ${sums[source.sumFrom]}`]);
  rows.push(["checkpoint", `${path} (${bytesText(bytes)})`]);
  return tableText(rows);
}
