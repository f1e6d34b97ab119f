import {
  runProgram,
  startProgram,
  type ProgramResult,
  type RunningProgram,
  type RunOptions,
  type StartOptions,
} from "@coordtok/core/node";

/** How long ffmpeg and ffprobe may take. */
export const limits = {
  /** To say which version and encoders they have. */
  answer: { seconds: 60 },
  /** To find out what a file is; a hostile one keeps ffprobe busy for an hour. */
  probe: { seconds: 120 },
  /** Without a frame, a line of the log or a byte taken. */
  frames: { silentSeconds: 300 },
  /** To make a file of a file, without a word in between. */
  file: { seconds: 21_600 },
} as const;

/** What is started: a program, and what comes before its own arguments. */
export interface ProgramCommand {
  /** Absolute. */
  readonly path: string;
  readonly prefix: readonly string[];
}

/** Starts ffmpeg as {@link startProgram} does, without colours in its log and without a report of its own in some folder. */
export function startFfmpeg(
  { path, prefix }: ProgramCommand,
  args: readonly string[],
  options: StartOptions,
): RunningProgram {
  return startProgram(path, [...prefix, ...args], { ...options, env: ffmpegEnvironment() });
}

/** Runs ffmpeg or ffprobe as {@link runProgram} does, with the same environment. */
export async function runFfmpeg(
  { path, prefix }: ProgramCommand,
  args: readonly string[],
  options: RunOptions,
): Promise<ProgramResult> {
  return runProgram(path, [...prefix, ...args], { ...options, env: ffmpegEnvironment() });
}

function ffmpegEnvironment(): NodeJS.ProcessEnv {
  const { FFREPORT: _, NODE_OPTIONS: __, ...env } = process.env;
  return { ...env, AV_LOG_FORCE_NOCOLOR: "1" };
}
