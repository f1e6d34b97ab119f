import {
  runProgram,
  startProgram,
  type ProgramResult,
  type RunningProgram,
  type RunOptions,
  type StartOptions,
} from "@coordtok/core/node";

/** The time limits of ffmpeg and ffprobe. */
export const limits = {
  /** To print the version or the encoders. */
  answer: { seconds: 60 },
  /** To probe a file; a hostile one can keep ffprobe busy for an hour. */
  probe: { seconds: 120 },
  /** Without a frame, a line of the log or a byte read. */
  frames: { silentSeconds: 300 },
  /** To convert a file, without any output meanwhile. */
  file: { seconds: 21_600 },
} as const;

/** A program to start, with the arguments that precede its own. */
export interface ProgramCommand {
  /** The absolute path of the program. */
  readonly path: string;
  readonly prefix: readonly string[];
}

/** Starts ffmpeg as {@link startProgram} does, without colours in its log and without a report file. */
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
