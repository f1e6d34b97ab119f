import { stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CoordTokError, messageOf } from "@coordtok/core";
import { checkpointsFolder, pathWithin, readTextIfThere } from "@coordtok/core/node";
import { jsonText, parseJson, shownJson } from "@coordtok/core/text";

const configName = "config.json";

/** The path of the configuration in a run folder. */
export function configPath(run: string): string {
  return join(run, configName);
}

/** The path of its copy beside the checkpoints. */
export function configCopyPath(run: string): string {
  return join(run, checkpointsFolder, configName);
}

/** Checks before long work that a folder holds no training. @throws CoordTokError `file-exists`. */
export async function refuseTakenRun(path: string): Promise<void> {
  if ((await isThere(configPath(path))) || (await isThere(configCopyPath(path))))
    throw new CoordTokError(
      "file-exists",
      `"${path}" already holds a training; choose another folder or resume that training.`,
      { options: { out: undefined, resume: path } },
    );
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Finds the run folder of a checkpoint file. @throws CoordTokError `checkpoint` when it is in none. */
export async function runFolderOf(checkpoint: string): Promise<string> {
  const folder = dirname(dirname(resolve(checkpoint)));
  const isRun = basename(dirname(resolve(checkpoint))) === checkpointsFolder;
  if (isRun && ((await isThere(configPath(folder))) || (await isThere(configCopyPath(folder))))) return folder;
  throw new CoordTokError(
    "checkpoint",
    `"${checkpoint}" is not in a run folder; resume with a run folder or a checkpoint inside one.`,
  );
}

/** How {@link readRunConfig} reads. */
export interface ReadRunConfigOptions {
  /** Takes the copy where the two differ in what never changes in a training. */
  readonly repair?: boolean | undefined;
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** What never changes in a training, of a tokenizer or of a generator. */
const lasting = ["config", "model", "flow", "seed", "from"] as const;

/**
 * Reads `config.json` of a run folder, or its copy beside the checkpoints where it is missing or damaged.
 * @param parse checks and types the content; whatever it throws becomes a line of details.
 * @throws CoordTokError `checkpoint` when both are missing or damaged, or belong to different trainings.
 */
export async function readRunConfig<Config extends object>(
  path: string,
  parse: (stored: object) => Config,
  { repair, onWarning }: ReadRunConfigOptions = {},
): Promise<Config> {
  const [main, copy] = [
    await readOne(path, configName, parse),
    await readOne(path, `${checkpointsFolder}/${configName}`, parse),
  ];
  if ("failure" in main && "failure" in copy) {
    if (main.isMissing && copy.isMissing)
      throw new CoordTokError(
        "checkpoint",
        `"${path}" is not the folder of a training, or one that was stopped before it began: it has no ${configName}; start a new training, which may have this folder.`,
        { options: { out: path } },
      );
    throw new CoordTokError(
      "checkpoint",
      `"${path}" is not the folder of such a training: its ${configName} is missing or damaged: ${messageOf(main.failure)}`,
      { cause: main.failure },
    );
  }
  if ("failure" in copy) return (main as { readonly config: Config }).config;
  if ("failure" in main) {
    onWarning?.(
      `"${configPath(path)}" is ${main.isMissing ? "missing" : "damaged"}; its copy beside the checkpoints replaces it.`,
    );
    return copy.config;
  }
  const texts = [main, copy].map(({ config }) => {
    const fields = new Map<string, unknown>(Object.entries(config));
    return jsonText(lasting.map((name) => fields.get(name) ?? null));
  });
  if (texts[0] === texts[1]) return main.config;
  if (repair === true) return copy.config;
  throw new CoordTokError(
    "checkpoint",
    `"${configPath(path)}" is not that of this training, whose copy is "${configCopyPath(path)}"; put the right file there, or take the copy by repairing the run.`,
    { options: { repair: true } },
  );
}

async function readOne<Config>(
  path: string,
  name: string,
  parse: (stored: object) => Config,
): Promise<{ readonly config: Config } | { readonly failure: unknown; readonly isMissing: boolean }> {
  let isMissing = false;
  try {
    const text = await readTextIfThere(await pathWithin(path, name), { mostBytes: 2 ** 26 });
    isMissing = text === undefined;
    if (text === undefined) throw new CoordTokError("file-not-found", `There is no "${join(path, name)}".`);
    const stored = parseJson(text);
    if (typeof stored !== "object" || stored === null)
      throw new CoordTokError("file-format", `Expected a record, got ${shownJson(stored)}.`);
    return { config: parse(stored) };
  } catch (failure) {
    return { failure, isMissing };
  }
}
