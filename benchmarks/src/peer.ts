import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CoordTokError } from "@coordtok/core";
import type { Case, Task } from "./case.js";
import { lastJson, output } from "./spawn.js";

/** The PyTorch peer: a Python that has PyTorch, and the script with the same network. */
export interface Peer {
  readonly python: string;
  readonly script: string;
  /** The script with the diffusion transformer. */
  readonly sitScript: string;
  /** The version, for example `PyTorch 2.9.1`. */
  readonly version: string;
}

/** One measurement of the peer. */
export interface PeerMeasured {
  /** The time of the best of its timed runs. */
  readonly seconds: number;
  readonly peakBytes: number;
}

const usualScript = fileURLToPath(new URL("../../../shared/peer/coordtok_torch.py", import.meta.url));

/**
 * Finds the peer that `PEER_PYTHON` names; `undefined` without it. `PEER_SCRIPT` names another script than
 * `../shared/peer/coordtok_torch.py`.
 * @throws CoordTokError `config` when a named peer does not work.
 */
export async function findPeer(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Peer | undefined> {
  if (!isNamed(env)) return undefined;
  const script = env["PEER_SCRIPT"] ?? usualScript;
  const isThere = await stat(script).then(
    () => true,
    () => false,
  );
  if (!isThere)
    throw new CoordTokError("config", `PEER_PYTHON is set, but there is no "${script}"; name it with PEER_SCRIPT.`);
  const found = await findPython(env, signal);
  return found && { ...found, script, sitScript: join(dirname(script), "sit_torch.py") };
}

/** Finds only the Python of the peer. @throws CoordTokError `config` when it is named and has no PyTorch. */
export async function findPython(
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Pick<Peer, "python" | "version"> | undefined> {
  if (!isNamed(env)) return undefined;
  const python = env["PEER_PYTHON"]!;
  const asked = await output(python, ["-c", "import torch; print(torch.__version__)"], signal).catch(() => undefined);
  const version = asked?.code === 0 ? asked.stdout.trim() : "";
  if (!/^[2-9]/.test(version))
    throw new CoordTokError(
      "config",
      `Expected PEER_PYTHON to name a Python with PyTorch 2 or newer, but "${python}" has ${version === "" ? "none" : version}.`,
    );
  return { python, version: `PyTorch ${version}` };
}

function isNamed(env: NodeJS.ProcessEnv): boolean {
  return (env["PEER_PYTHON"] ?? "") !== "";
}

const questions: { readonly [task in Task]?: readonly [what: string, answer: string] } = {
  encode: ["encode", "encode_s"],
  "decode-slice": ["decode", "decode_chunk_s"],
  "decode-clip": ["decode", "decode_clip_s"],
  "train-step": ["train", "train_step_s"],
};

/** Whether the peer supports a case; it knows the presets with the paper's geometry. */
export function peerKnows({ task, preset }: Case): boolean {
  if (task === "sit") return ["S", "B", "L", "XL"].includes(preset.split("/")[0]!);
  return task in questions && ["tiny", "small", "S", "B", "L"].includes(preset);
}

/** Runs one process of the peer on a case. @throws CoordTokError `backend` with the tail of its output when it fails. */
export async function measurePeer(peer: Peer, one: Case, runs: number, signal: AbortSignal): Promise<PeerMeasured> {
  const { script, answer, options } = questionOf(peer, one);
  const all = { ...options, threads: availableParallelism(), runs };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout, stderr } = await output(peer.python, [script, "bench", ...args], signal);
  const said = lastJson(stdout) as Record<string, number> | undefined;
  const seconds = said?.[answer];
  if (said === undefined || seconds === undefined)
    throw new CoordTokError("backend", "The PyTorch peer failed.", { details: stderr.trim().split("\n").slice(-10) });
  return { seconds, peakBytes: said["peak_rss_mb"]! * 2 ** 20 };
}

interface Question {
  readonly script: string;
  /** The key of the seconds in its output. */
  readonly answer: string;
  readonly options: Readonly<Record<string, string | number>>;
}

function questionOf({ script, sitScript }: Peer, { task, preset, frames, points }: Case): Question {
  if (task === "sit") {
    const [size, patch] = preset.split("/") as [string, string];
    return { script: sitScript, answer: "evaluation_s", options: { size, patch } };
  }
  const [what, answer] = questions[task]!;
  return { script, answer, options: { size: preset, frames, points, what } };
}
