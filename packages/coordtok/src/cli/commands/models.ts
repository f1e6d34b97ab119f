import { bytesText, countText, tableText } from "@coordtok/core/text";
import type { ListedModel, ModelList } from "../../models/kept-models.js";
import { defineCommand, type AnyCommand } from "../command.js";
import type { Flag } from "../flags.js";

const clearFlag: Flag<string | true | undefined> = {
  value: "name",
  bare: true,
  help: "remove one model from the cache, or all of them if none is named, and what is recorded about them",
  initial: undefined,
  option: "name",
  read: (given) => given,
};

export const modelsCommand: AnyCommand = defineCommand({
  name: "models",
  summary: "list the models that have a name and those in the cache, and clear the cache",
  description:
    "Lists the models that every command takes by name, with their licences and what they take on this machine, and the other models in the cache. Fetches nothing.",
  args: [],
  flags: { clear: clearFlag },
  examples: ["models", "models --clear coordtok-l-ucf101", "models --clear"],
  calls: "clearModels",
  run: async ({ flags, signal, note }) => {
    const { clearModels, listModels } = await import("../../models/kept-models.js");
    if (flags.clear === undefined) {
      const list = await listModels();
      return { lines: [listText(list)], data: list };
    }
    const name = flags.clear === true ? undefined : flags.clear;
    const cleared = await clearModels({ name, signal, onNote: note });
    const { removed, bytes } = cleared;
    const text =
      removed.length === 0 ? "The cache of models is empty." : `Removed ${removed.join(", ")} (${bytesText(bytes)}).`;
    return { lines: [text], data: cleared };
  },
});

const states = {
  package: "installed",
  cached: "in the cache",
  partial: "partly fetched",
  absent: "not fetched",
} as const satisfies Record<ListedModel["state"], string>;

function listText({ models, folder, cachedBytes }: ModelList): string {
  const rows = models.map(({ name, what, state, bytes, licence }): [string, string] => {
    const size = bytes === 0 ? "" : `, ${bytesText(bytes)}`;
    const terms = licence === null ? "no licence stated" : licence;
    return [name, [what, `${states[state]}${size}`, terms].filter((text) => text !== undefined).join("; ")];
  });
  const kept = models.filter(({ state }) => state === "cached" || state === "partial").length;
  return `${tableText(rows)}\n\n${countText(kept, "model")} in ${folder} (${bytesText(cachedBytes)})`;
}
