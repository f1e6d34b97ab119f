import { bytesText, tableText } from "@coordtok/core/text";
import { backendCatalogue } from "@coordtok/backend";
import { doctorReport, type BackendFinding, type DoctorReport } from "@coordtok/backend/setup";
import { checkOptions, longCallOptionNames, pickOptions, type LongCallOptions, type OptionNames } from "@coordtok/core";
import {
  describeFfmpeg,
  ffmpegOptionNames,
  type FfmpegOptions,
  type ProgramCandidate,
  type ProgramSource,
} from "@coordtok/video/node";
import { ownVersion } from "./versions.js";

/** The findings of `coordtok doctor`. */
export interface Examination {
  /** Version of this package. */
  readonly coordtok: string;
  /** The version of Node, and whether it is new enough. */
  readonly node: { readonly version: string; readonly fine: boolean };
  /** The platform, for example `linux-x64`. */
  readonly platform: string;
  /** The ffmpeg in use, all places that were searched, and the problem if none can be used. */
  readonly ffmpeg: {
    readonly path: string | undefined;
    readonly version: string | undefined;
    readonly licence: string | undefined;
    readonly source: ProgramSource | undefined;
    readonly ffprobe: string | undefined;
    readonly candidates: readonly ProgramCandidate[];
    readonly problem: string | undefined;
  };
  /** What the native backend is built with, and what is set up: pip, compiler, NVIDIA driver, cache folder. */
  readonly native: Omit<DoctorReport, "backends" | "advice" | "node" | "platform">;
  /** Every backend of Node, the fastest first. */
  readonly backends: readonly BackendFinding[];
  /** The backend that `auto` chooses. */
  readonly chosen: string | undefined;
  /** What to do, one sentence each. */
  readonly advice: readonly string[];
  /** Whether everything required is present. */
  readonly fine: boolean;
}

const slowFfmpeg =
  'ffmpeg runs as WebAssembly, which takes several times as long; install one, or run "npx coordtok setup" for ffmpeg alone.';

const oldestNode = [20, 19] as const;

const examineOptionNames: OptionNames<FfmpegOptions & LongCallOptions> = {
  ...longCallOptionNames,
  ...ffmpegOptionNames,
};

/** Examines everything that CoordTok.ts needs on this machine. Nothing is changed. */
export async function examine(options: FfmpegOptions & LongCallOptions = {}): Promise<Examination> {
  checkOptions(options, examineOptionNames, "examine");
  const report = await describeFfmpeg(pickOptions(options, ffmpegOptionNames));
  const {
    backends: all,
    advice,
    platform,
    node: version,
    ...native
  } = await doctorReport(pickOptions(options, longCallOptionNames));
  const inNode = new Set(backendCatalogue.filter(({ runsIn }) => runsIn.includes("node")).map(({ name }) => name));
  const backends = all.filter(({ name }) => inNode.has(name));
  const node = { version: version.replace(/^v/, ""), fine: isNewEnough(process.versions.node) };
  const chosen = backends.find(({ name, loads }) => loads && name !== "cpu")?.name;
  const problem = report.error?.message;
  return {
    coordtok: ownVersion,
    node,
    platform,
    ffmpeg: {
      path: report.chosen?.path,
      version: report.chosen?.version,
      licence: report.chosen?.licence,
      source: report.chosen?.source,
      ffprobe: report.chosen?.ffprobe?.path,
      candidates: report.candidates,
      problem,
    },
    native,
    backends,
    chosen,
    advice: [
      ...(node.fine ? [] : [`Install Node ${oldestNode.join(".")} or newer.`]),
      ...(problem === undefined ? [] : [problem]),
      ...(report.chosen?.source === "@ffmpeg/core" ? [slowFfmpeg] : []),
      ...advice,
    ],
    fine: node.fine && problem === undefined && chosen !== undefined,
  };
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/** Formats an examination for people. */
export function examinationText(found: Examination): string {
  const { ffmpeg, node, native } = found;
  const mark = (works: boolean): string => (works ? "works" : "no");
  const others = ffmpeg.candidates
    .filter(({ outcome }) => outcome !== "chosen")
    .map(
      ({ program, source, path, outcome }) =>
        `  ${program} from ${source}${path === undefined ? "" : ` (${path})`}: ${outcome}`,
    );
  const placeOf = (wanted: "ffmpeg" | "ffprobe"): string | undefined =>
    ffmpeg.candidates.find(({ program, outcome }) => program === wanted && outcome === "chosen")?.path;
  const ffmpegText =
    ffmpeg.path === undefined
      ? "not found"
      : `${ffmpeg.version ?? ""} (${ffmpeg.licence ?? ""}) from ${ffmpeg.source ?? ""} at ${placeOf("ffmpeg") ?? ""}, ffprobe ${placeOf("ffprobe") ?? "not found"}`;
  const { installation } = native;
  const installed =
    installation === undefined ? "not set up" : `TensorFlow ${installation.tensorflow} for ${installation.device}`;
  return [
    tableText([
      ["coordtok", found.coordtok],
      ["node", `${node.version}${node.fine ? "" : " (too old)"} on ${found.platform}`],
      ["ffmpeg", ffmpegText],
      ["pip", native.pip.text],
      ["compiler", native.compiler.text],
      ["GPU", native.nvidia.text],
      ["native", installed],
      ["fused", found.backends.find(({ fused }) => fused !== undefined)?.fused?.text ?? "not in use"],
      ["cache", `${native.cache} (${bytesText(native.cachedBytes)})`],
    ]),
    ...(others.length === 0 ? [] : ["Other places for ffmpeg:", ...others]),
    "Backends:",
    tableText(
      found.backends.map(({ name, loads, text }) => [`${name}: ${mark(loads)}`, text]),
      "  ",
    ),
    found.chosen === undefined ? "No backend works." : `The backend auto is ${found.chosen}.`,
    ...(found.advice.length === 0 ? ["All is well."] : ["What to do:", ...found.advice.map((line) => `  ${line}`)]),
  ].join("\n");
}
