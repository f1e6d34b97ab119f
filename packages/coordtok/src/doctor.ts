import { backendCatalogue, loadBackend } from "@coordtok/backend";
import { isCoordTokError, messageOf, type LongCallOptions } from "@coordtok/core";
import { describeFfmpeg, type FfmpegOptions, type ProgramCandidate } from "@coordtok/video/node";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { tableText } from "./text.js";
import { ownVersion } from "./versions.js";

/** What one backend is like here. */
export interface BackendFinding {
  /** The backend. */
  readonly name: string;
  /** Whether it loads and can train. */
  readonly works: boolean;
  /** What it computes on, or why it does not work and how to get it. */
  readonly text: string;
}

/** What `coordtok doctor` found. */
export interface Examination {
  /** Version of this package. */
  readonly coordtok: string;
  /** Node's version and whether it is new enough. */
  readonly node: { readonly version: string; readonly fine: boolean };
  /** Such as `linux-x64`. */
  readonly platform: string;
  /** The ffmpeg in use, all places that were looked at, and what is wrong if none can be used. */
  readonly ffmpeg: {
    readonly path: string | undefined;
    readonly version: string | undefined;
    readonly ffprobe: string | undefined;
    readonly candidates: readonly ProgramCandidate[];
    readonly problem: string | undefined;
  };
  /** The Python that can fetch TensorFlow. */
  readonly pip: string | undefined;
  /** Every backend of Node, the fastest first. */
  readonly backends: readonly BackendFinding[];
  /** The backend that `auto` takes. */
  readonly chosen: string | undefined;
  /** What to do, one sentence each. */
  readonly advice: readonly string[];
  /** Whether everything that is needed is there. */
  readonly fine: boolean;
}

const oldestNode = [20, 19] as const;

/** Looks at everything that CoordTok needs on this machine. Nothing is changed. */
export async function examine(options: FfmpegOptions & Pick<LongCallOptions, "signal"> = {}): Promise<Examination> {
  const report = await describeFfmpeg(options);
  const pip = await findPip();
  const backends: BackendFinding[] = [];
  for (const { name, runsIn } of backendCatalogue)
    if (runsIn.includes("node")) backends.push(await tryBackend(name, options));
  const node = { version: process.versions.node, fine: isNewEnough(process.versions.node) };
  const chosen = backends.find(({ name, works }) => works && name !== "cpu")?.name;
  const problem = report.error?.message;
  return {
    coordtok: ownVersion,
    node,
    platform: `${process.platform}-${process.arch}`,
    ffmpeg: {
      path: report.chosen?.path,
      version: report.chosen?.version,
      ffprobe: report.chosen?.ffprobe?.path,
      candidates: report.candidates,
      problem,
    },
    pip,
    backends,
    chosen,
    advice: adviceFor(node.fine, problem, backends, pip),
    fine: node.fine && problem === undefined && chosen !== undefined,
  };
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

async function tryBackend(
  name: BackendFinding["name"],
  { signal }: Pick<LongCallOptions, "signal">,
): Promise<BackendFinding> {
  try {
    const loaded = await loadBackend(name as "wasm", { purpose: "training", signal });
    const versions = Object.entries(loaded.versions).filter(([part]) => part !== "@tensorflow/tfjs-core");
    const named = versions.map(([part, version]) => `${part} ${version}`).join(", ");
    return { name, works: true, text: `${loaded.device}${named === "" ? "" : ` (${named})`}` };
  } catch (thrown) {
    if (isCoordTokError(thrown) && thrown.code === "aborted") throw thrown;
    return { name, works: false, text: messageOf(thrown) };
  }
}

async function findPip(): Promise<string | undefined> {
  for (const python of ["python3", "python"]) {
    try {
      const { stdout } = await promisify(execFile)(python, ["-m", "pip", "--version"], { timeout: 20_000 });
      return `${python}: ${stdout.trim()}`;
    } catch {
      continue;
    }
  }
  return undefined;
}

function adviceFor(
  nodeFine: boolean,
  ffmpegProblem: string | undefined,
  backends: readonly BackendFinding[],
  pip: string | undefined,
): string[] {
  const advice: string[] = [];
  if (!nodeFine) advice.push(`Install Node ${oldestNode.join(".")} or newer.`);
  if (ffmpegProblem !== undefined) advice.push(ffmpegProblem);
  if (backends.find(({ name }) => name === "tensorflow")?.works !== true)
    advice.push(
      pip === undefined
        ? "For a backend many times as fast as wasm install Python 3 with pip, then run: coordtok setup"
        : "For a backend many times as fast as wasm run: coordtok setup",
    );
  return advice;
}

/** An examination for people. */
export function examinationText(found: Examination): string {
  const { ffmpeg, node } = found;
  const mark = (works: boolean): string => (works ? "works" : "no");
  const others = ffmpeg.candidates
    .filter(({ outcome }) => outcome !== "chosen")
    .map(
      ({ program, source, path, outcome }) =>
        `  ${program} from ${source}${path === undefined ? "" : ` (${path})`}: ${outcome}`,
    );
  const ffmpegText =
    ffmpeg.path === undefined
      ? "not found"
      : `${ffmpeg.version ?? ""} at ${ffmpeg.path}, ffprobe ${ffmpeg.ffprobe ?? "not found"}`;
  return [
    tableText([
      ["coordtok", found.coordtok],
      ["node", `${node.version}${node.fine ? "" : " (too old)"} on ${found.platform}`],
      ["ffmpeg", ffmpegText],
      ["pip", found.pip ?? "not found"],
    ]),
    ...(others.length === 0 ? [] : ["Other places for ffmpeg:", ...others]),
    "Backends:",
    tableText(
      found.backends.map(({ name, works, text }) => [`${name}: ${mark(works)}`, text]),
      "  ",
    ),
    found.chosen === undefined ? "No backend works." : `--backend auto takes ${found.chosen}.`,
    ...(found.advice.length === 0 ? ["All is well."] : ["What to do:", ...found.advice.map((line) => `  ${line}`)]),
  ].join("\n");
}
