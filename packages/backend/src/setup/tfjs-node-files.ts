import { createHash } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { CoordTokError, messageOf, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import {
  findProgram,
  lastLinesOf,
  programProblem,
  runProgram,
  sha256OfFile,
  writeAtomically,
  type FileFacts,
} from "@coordtok/core/node";
import { parseTar } from "nanotar";
import { factsName, type Installation, type InstallationFacts } from "../node/installation.js";
import { standIns, tfjsNodeFolder, tfjsNodeModules, tfjsNodePackage, tfjsNodeVersion } from "../node/tfjs-node.js";
import { removeEntries } from "./cache.js";
import { limits } from "./limits.js";
import type { SetupWorld } from "./options.js";

/** The SHA-512 of the npm package in this version, as the registry publishes it. */
export const tfjsNodeSum: string =
  "p//NN6DGiN4hInUmIkRffaFVMcdTREUMjPyjW04J7OXvB2zBlQimj61eFKSgRrH3f5TnOfKzb0n56he/B6a4bw==";

/** The file that npm packs it into. */
export const tfjsNodeTarball: string = `${tfjsNodePackage.replace("@", "").replace("/", "-")}-${tfjsNodeVersion}.tgz`;

const longest = { packed: 2 ** 22, unpacked: 2 ** 26 };
const folderInside = "package/";

/** Where the package comes from and goes to. */
export interface TfjsNodeStage {
  /** TensorFlow's wheel given as a file: the packed npm package is looked for beside it. */
  readonly wheel: string | undefined;
  readonly world: Pick<SetupWorld, "env" | "tfjsNodeSum">;
  /** The installation, which gets the JavaScript. */
  readonly directory: string;
  /** A folder for what is not kept. */
  readonly work: string;
}

/** What came of it. */
export interface StagedTfjsNode {
  /** The folder with the sources of the add-on in `binding`. */
  readonly sources: string;
  /** What was put into the installation. */
  readonly files: readonly FileFacts[];
}

/**
 * Puts the JavaScript of `@tensorflow/tfjs-node-gpu` into an installation, and the sources of its add-on into a folder. The package comes from
 * npm, or lies beside the wheel that was given as a file; its SHA-512 has to be the known one, and no script of it is run.
 * @throws CoordTokError `setup` with the way out, `aborted`.
 */
export async function stageTfjsNode(stage: TfjsNodeStage, options: LongCallOptions = {}): Promise<StagedTfjsNode> {
  const { directory, work, world } = stage;
  const packed = await readChecked(await findTarball(stage, options), world.tfjsNodeSum);
  const sources = join(work, "tfjs-node-sources");
  const kept: string[] = [];
  const write = async (folder: string, path: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  };
  const keep = async (path: string, content: string | Uint8Array): Promise<void> => {
    await write(join(directory, tfjsNodeFolder), path, content);
    kept.push(path);
  };
  // An empty file comes without data.
  for (const { name, type, data = new Uint8Array() } of parseTar(
    gunzipSync(packed, { maxOutputLength: longest.unpacked }),
  )) {
    throwIfAborted(options.signal);
    if (type !== "file" || !name.startsWith(folderInside)) continue;
    const path = name.slice(folderInside.length);
    if (/^binding\/\w+\.(?:cc|h)$/.test(path)) await write(sources, path, data);
    else if (tfjsNodeModules.test(path)) await keep(path, data);
  }
  for (const [path, content] of Object.entries(standIns)) await keep(path, content);
  return { sources, files: await Promise.all(kept.map((path) => factsOf(directory, `${tfjsNodeFolder}/${path}`))) };
}

/**
 * Puts the JavaScript into an installation that was made without it.
 * @throws CoordTokError like {@link stageTfjsNode}.
 */
export async function addTfjsNode(
  { directory, addon, ...facts }: Installation,
  { world, wheel }: Pick<TfjsNodeStage, "world" | "wheel">,
  options: LongCallOptions,
): Promise<Installation> {
  const work = join(directory, ".unfinished-tfjs-node");
  try {
    const { files } = await stageTfjsNode({ wheel, world, directory, work }, options);
    const others = facts.files.filter(({ path }) => !path.startsWith(`${tfjsNodeFolder}/`));
    const now: InstallationFacts = { ...facts, files: [...others, ...files] };
    await writeAtomically(join(directory, factsName), `${JSON.stringify(now, undefined, 2)}\n`, { overwrite: true });
    return { ...now, directory, addon };
  } finally {
    await removeEntries(directory, (entry) => entry === basename(work));
  }
}

const offline = `or put the file ${tfjsNodeTarball} beside TensorFlow's wheel and give that wheel as a file`;

async function findTarball({ wheel, world, work }: TfjsNodeStage, options: LongCallOptions): Promise<string> {
  const { signal, onProgress } = options;
  const beside = wheel === undefined ? undefined : join(dirname(wheel), tfjsNodeTarball);
  if (beside !== undefined && (await isFile(beside))) return beside;
  const npm = await findProgram("npm", world.env);
  if (npm === undefined)
    throw new CoordTokError(
      "setup",
      `npm, which comes with Node, is needed to fetch ${tfjsNodePackage}, and none was found on PATH; add its folder to PATH, ${offline}.`,
      { options: { wheel: undefined } },
    );
  const progress = { task: `fetch ${tfjsNodePackage}`, total: 1, unit: "packages" };
  onProgress?.({ ...progress, done: 0 });
  await mkdir(work, { recursive: true });
  const what = ["--silent", "--ignore-scripts", `--pack-destination=${work}`, `${tfjsNodePackage}@${tfjsNodeVersion}`];
  const ran = await runProgram(npm, ["pack", ...what], { env: world.env, signal, limit: limits.npm });
  const file = join(work, tfjsNodeTarball);
  if (ran.exitCode !== 0 || !(await isFile(file))) {
    const telling = ran.lines.find((line) => /\berr/i.test(line)) ?? programProblem(ran) ?? "it wrote no file";
    throw new CoordTokError(
      "setup",
      `npm could not fetch ${tfjsNodePackage} ${tfjsNodeVersion} (${telling.trim()}); check the network and npm's settings, ${offline}.`,
      { details: lastLinesOf(ran), options: { wheel: undefined } },
    );
  }
  onProgress?.({ ...progress, done: 1 });
  return file;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

async function readChecked(file: string, sum: string): Promise<Buffer> {
  try {
    const packed = (await stat(file)).size > longest.packed ? undefined : await readFile(file);
    if (packed !== undefined && createHash("sha512").update(packed).digest("base64") === sum) return packed;
  } catch (thrown) {
    throw new CoordTokError("setup", `"${file}" cannot be read (${messageOf(thrown)}); give another one.`, {
      cause: thrown,
    });
  }
  throw new CoordTokError(
    "setup",
    `"${basename(file)}" is not what was published under that name: its SHA-512 is another one, so nothing of it is used; fetch it from npm's public registry.`,
  );
}

/** What is known about a file below a folder. */
export async function factsOf(folder: string, path: string): Promise<FileFacts> {
  const full = join(folder, path);
  return { path, bytes: (await stat(full)).size, sha256: await sha256OfFile(full) };
}
