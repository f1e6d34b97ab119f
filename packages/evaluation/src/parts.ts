import { CoordTokError, isCoordTokError, messageOf } from "@coordtok/core";
import { checkPart, partText, type Part } from "@coordtok/core/checks";
import { claimFolder, lockShared } from "@coordtok/core/node";
import type { Shard } from "./clip-plan.js";
import { EvaluationFolder, evaluationOwner, fileNames } from "./evaluation-folder.js";
import type { WrittenEvaluation } from "./finish.js";
import { mergeParts, unfinishedParts } from "./merge-evaluations.js";
import type { EvaluateOptions } from "./options.js";
import { partFolder, partsIn } from "./part-folders.js";

/** A part as settings record it. */
export function shardOf(part: Part | undefined): Shard | undefined {
  return part && { index: part.number, count: part.of };
}

/**
 * Runs an evaluation whose folder may hold parts: the whole, or one part, after which the last one merges all.
 * @throws CoordTokError as `run`; `file-exists` when the folder holds parts of another division; `file-format` naming a part that is damaged.
 */
export async function inParts<O extends EvaluateOptions>(
  options: O,
  run: (options: O) => Promise<WrittenEvaluation>,
): Promise<WrittenEvaluation> {
  const { out } = options;
  const part = options.part && checkPart(options.part);
  const there = await partsIn(out);
  if (part === undefined && there.length === 0) return run(options);
  if (part !== undefined && (await isThatPart(out, part))) return run(options);
  const of = part === undefined ? there[0]!.of : part.of;
  const other = there.find((one) => one.of !== of)?.of;
  if (other !== undefined)
    throw new CoordTokError(
      "file-exists",
      `"${out}" holds parts of a division into ${other}, not into ${of}; divide the work in the same way, or choose another folder.`,
      { options: { out: undefined } },
    );
  if (part !== undefined) {
    if (there.length === 0 && options.overwrite !== true && (await new EvaluationFolder(out).has(fileNames.settings)))
      throw new CoordTokError(
        "file-exists",
        `"${out}" holds an evaluation that was not divided; choose another folder or allow overwriting.`,
        { options: { out: undefined, overwrite: true } },
      );
    await claimFolder(out, evaluationOwner, { resumes: true });
    const own = await runPart(options, part, run);
    return (await mergeIfComplete(options, of)) ?? own;
  }
  for (let number = 1; number <= of; number++) await runPart(options, { number, of }, run);
  const merged = await mergeIfComplete(options, of);
  if (merged !== undefined) return merged;
  throw new CoordTokError("file-format", `The parts in "${out}" are not complete; repair them.`, {
    options: { repair: true },
  });
}

/** Whether a folder is itself that of a part, as older versions made them. */
async function isThatPart(out: string, part: Part): Promise<boolean> {
  const settings = await new EvaluationFolder(out).settings().catch(() => undefined);
  return settings?.shard?.index === part.number && settings.shard.count === part.of;
}

async function runPart<O extends EvaluateOptions>(
  options: O,
  part: Part,
  run: (options: O) => Promise<WrittenEvaluation>,
): Promise<WrittenEvaluation> {
  const own = { ...options, part, out: partFolder(options.out, part) };
  try {
    return await run(own);
  } catch (thrown) {
    if (!isCoordTokError(thrown) || thrown.code !== "file-format" || thrown.options["overwrite"] !== true) throw thrown;
    if (options.repair !== true)
      throw new CoordTokError(
        "file-format",
        `Part ${partText(part)} of "${options.out}" is damaged: ${thrown.sentence.replace(/ Start over and allow overwriting\.$/, "").replace(/; start over and allow overwriting\.$/, ".")} Repair it, which measures this part again.`,
        { cause: thrown, options: { repair: true } },
      );
    options.onWarning?.(`Part ${partText(part)} is damaged and measured again: ${messageOf(thrown)}`);
    return run({ ...own, overwrite: true });
  }
}

/** Merges the parts if all of them are finished; of several that end at the same time, each merges in turn. */
async function mergeIfComplete(
  { out, overwrite, signal, onNote }: EvaluateOptions,
  of: number,
): Promise<WrittenEvaluation | undefined> {
  await using lock = await lockShared(out, signal);
  await lock.check();
  const folders = Array.from({ length: of }, (_, index) => partFolder(out, { number: index + 1, of }));
  const open = await unfinishedParts(folders);
  if (open.length > 0) {
    const numbers = open.slice(0, 10).map((index) => index + 1);
    onNote?.(
      `Not finished yet: part ${numbers.join(", ")}${open.length > numbers.length ? ` and ${open.length - numbers.length} more` : ""} of ${of}; the last one merges all`,
    );
    return undefined;
  }
  return await mergeParts(folders, { out, overwrite });
}
