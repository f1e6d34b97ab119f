import { stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, resolve } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { findProgram, programProblem } from "@coordtok/core/node";
import { limits, runFfmpeg } from "./ffmpeg-program.js";

/** Which ffmpeg to use. Every function that spawns one takes these. */
export interface FfmpegOptions {
  /** Path of ffmpeg (default: found, in the order that {@link findFfmpeg} gives). */
  readonly ffmpeg?: string | undefined;
  /** Path of ffprobe (default: found); `false` does without it. */
  readonly ffprobe?: string | false | undefined;
}

/** Where a program was found. */
export type ProgramSource =
  "option" | "FFMPEG_PATH" | "FFMPEG_BIN" | "ffmpeg-static" | "FFPROBE_PATH" | "beside ffmpeg" | "PATH";

/** A program that was found and answers. */
export interface FoundProgram {
  /** The program that is started. */
  readonly path: string;
  /** As it says itself, such as `5.1.9-0+deb12u1`. */
  readonly version: string;
  /** Where it was found. */
  readonly source: ProgramSource;
}

/** The ffmpeg in use. */
export interface Ffmpeg extends FoundProgram {
  /** The ffprobe in use; without one `probe` reads what ffmpeg prints. */
  readonly ffprobe: FoundProgram | undefined;
  /** Whether it is version 5.1 or newer and knows `-fps_mode`. */
  readonly knowsFpsMode: boolean;
}

/** One place where a program was looked for. */
export interface ProgramCandidate {
  /** Which program was looked for. */
  readonly program: "ffmpeg" | "ffprobe";
  /** Where it was looked for. */
  readonly source: ProgramSource;
  /** The file that was tried, where there was one. */
  readonly path: string | undefined;
  /** `chosen`, `not needed` behind the chosen one, or why it cannot be used. */
  readonly outcome: string;
}

/** What `doctor` prints. */
export interface FfmpegReport {
  /** The ffmpeg in use, if any. */
  readonly chosen: Ffmpeg | undefined;
  /** Everything that was looked at, in order. */
  readonly candidates: readonly ProgramCandidate[];
  /** What {@link findFfmpeg} throws, if it throws. */
  readonly error: CoordTokError | undefined;
}

interface Place {
  readonly source: ProgramSource;
  /** The file to try; undefined where the place has none. */
  readonly path: string | undefined;
  /** An unusable file here is an error: the user asked for this one. */
  readonly demanded: boolean;
}

interface Search {
  found: (FoundProgram & { readonly banner: string }) | undefined;
  candidates: ProgramCandidate[];
  error: CoordTokError | undefined;
}

const found = new Map<string, Promise<Ffmpeg>>();

/**
 * Finds ffmpeg: the option, `FFMPEG_PATH`, `FFMPEG_BIN`, the package ffmpeg-static, `PATH`, in this order. What the option or
 * `FFMPEG_PATH` names has to work; the others are passed over. ffprobe: the option, `FFPROBE_PATH`, beside ffmpeg, `PATH`, or none.
 * The answer is kept for the life of the process.
 * @throws CoordTokError `ffmpeg` that tells how to get one.
 */
export function findFfmpeg(options: FfmpegOptions = {}): Promise<Ffmpeg> {
  const { FFMPEG_PATH, FFMPEG_BIN, FFPROBE_PATH, PATH } = process.env;
  const key = JSON.stringify([options.ffmpeg, options.ffprobe, FFMPEG_PATH, FFMPEG_BIN, FFPROBE_PATH, PATH]);
  const known = found.get(key);
  if (known) return known;
  const search = describeFfmpeg(options).then((report) => {
    if (report.chosen && !report.error) return report.chosen;
    found.delete(key);
    throw report.error ?? new CoordTokError("ffmpeg", "ffmpeg not found.");
  });
  found.set(key, search);
  return search;
}

/** Looks for ffmpeg and ffprobe like {@link findFfmpeg}, without throwing, and says for each place what came of it. */
export async function describeFfmpeg(options: FfmpegOptions = {}): Promise<FfmpegReport> {
  const search = await searchPlaces("ffmpeg", await placesOfFfmpeg(options));
  const ffmpeg = search.found;
  if (!ffmpeg) return { chosen: undefined, candidates: search.candidates, error: search.error ?? notFound(search) };
  const probeSearch = await searchPlaces("ffprobe", await placesOfFfprobe(options, ffmpeg.path));
  const { banner, ...program } = ffmpeg;
  const { banner: _, ...probe } = probeSearch.found ?? { banner: "" };
  return {
    chosen: {
      ...program,
      ffprobe: "path" in probe ? probe : undefined,
      knowsFpsMode: !isOlderThan(banner, firstWithFpsMode),
    },
    candidates: [...search.candidates, ...probeSearch.candidates],
    error: probeSearch.error,
  };
}

async function placesOfFfmpeg(options: FfmpegOptions): Promise<Place[]> {
  const { FFMPEG_PATH, FFMPEG_BIN } = process.env;
  return [
    { source: "option", path: await fileOf(options.ffmpeg), demanded: true },
    { source: "FFMPEG_PATH", path: await fileOf(FFMPEG_PATH), demanded: true },
    { source: "FFMPEG_BIN", path: await fileOf(FFMPEG_BIN), demanded: false },
    { source: "ffmpeg-static", path: await pathOfFfmpegStatic(), demanded: false },
    { source: "PATH", path: await findProgram("ffmpeg"), demanded: false },
  ];
}

async function placesOfFfprobe(options: FfmpegOptions, ffmpeg: string): Promise<Place[]> {
  if (options.ffprobe === false) return [];
  const name = basename(ffmpeg, extname(ffmpeg)).replace("ffmpeg", "ffprobe") + extname(ffmpeg);
  const beside = join(dirname(ffmpeg), name);
  return [
    { source: "option", path: await fileOf(options.ffprobe), demanded: true },
    { source: "FFPROBE_PATH", path: await fileOf(process.env["FFPROBE_PATH"]), demanded: true },
    { source: "beside ffmpeg", path: beside === ffmpeg ? undefined : beside, demanded: false },
    { source: "PATH", path: await findProgram("ffprobe"), demanded: false },
  ];
}

async function searchPlaces(program: "ffmpeg" | "ffprobe", places: readonly Place[]): Promise<Search> {
  const search: Search = { found: undefined, candidates: [], error: undefined };
  for (const { source, path, demanded } of places) {
    const note = (outcome: string): void => void search.candidates.push({ program, source, path, outcome });
    if (search.found ?? search.error) note("not needed");
    else if (path === undefined) note(absence[source]);
    else {
      const answer = await askVersion(program, path);
      note(answer.problem ?? "chosen");
      if (answer.problem === undefined) search.found = { path, version: answer.version, source, banner: answer.banner };
      else if (demanded)
        search.error = new CoordTokError(
          "ffmpeg",
          `The ${program} given by ${source === "option" ? "the option" : source}, "${path}", cannot be used: ${answer.problem}; correct the path or leave it out.`,
        );
    }
  }
  return search;
}

const absence: Readonly<Record<ProgramSource, string>> = {
  option: "not given",
  FFMPEG_PATH: "not set",
  FFMPEG_BIN: "not set",
  FFPROBE_PATH: "not set",
  "ffmpeg-static": "not installed",
  "beside ffmpeg": "not there",
  PATH: "not there",
};

function notFound(search: Search): CoordTokError {
  const tried = search.candidates.map(
    ({ source, path, outcome }) => `${source} (${path === undefined ? outcome : `${path}: ${outcome}`})`,
  );
  return new CoordTokError(
    "ffmpeg",
    `ffmpeg not found. Tried: ${tried.join(", ")}. Install it (apt install ffmpeg / brew install ffmpeg / winget install ffmpeg), ` +
      `or set FFMPEG_PATH, or allow ffmpeg-static's install script.`,
  );
}

type Answer =
  { readonly problem: string } | { readonly problem: undefined; readonly version: string; readonly banner: string };

async function askVersion(program: "ffmpeg" | "ffprobe", path: string): Promise<Answer> {
  if (!isAbsolute(path)) return { problem: `no program of that name is on PATH (a file here is called ./${path})` };
  const facts = await stat(path).catch(() => undefined);
  if (!facts) return { problem: "there is no such file" };
  if (!facts.isFile()) return { problem: "it is not a file" };
  const end = await runFfmpeg(path, ["-version"], { limit: limits.answer });
  const { exitCode, stdout } = end;
  if (exitCode !== 0 && exitCode !== undefined) return { problem: `it answers -version with exit code ${exitCode}` };
  const problem = programProblem(end);
  if (problem !== undefined) return { problem };
  const version = new RegExp(`^${program} version (\\S+)`).exec(stdout)?.[1];
  if (version === undefined) return { problem: `it is another program than ${program}` };
  if (isOlderThan(stdout, oldestUsable)) return { problem: `version ${version} is too old, 4.0 or newer is needed` };
  return { problem: undefined, version, banner: stdout };
}

/** Versions of libavutil, which builds without a version number print too: ffmpeg 4.0 came with 56.14, ffmpeg 5.1 with 57.28. */
const oldestUsable: readonly [number, number] = [56, 14];
const firstWithFpsMode: readonly [number, number] = [57, 28];

function isOlderThan(banner: string, [major, minor]: readonly [number, number]): boolean {
  const library = /^libavutil\s+(\d+)\.\s*(\d+)\./m.exec(banner);
  if (!library) return false;
  const own = [Number(library[1]), Number(library[2])] as const;
  return own[0] < major || (own[0] === major && own[1] < minor);
}

/** A path as given, made absolute, or a bare name looked up in PATH; a bare name that is not there stays one. */
async function fileOf(given: string | undefined): Promise<string | undefined> {
  if (given === undefined || given === "") return undefined;
  return basename(given) === given ? ((await findProgram(given)) ?? given) : resolve(given);
}

async function pathOfFfmpegStatic(): Promise<string | undefined> {
  try {
    // Its types describe another module shape than Node gives.
    const { default: path } = (await import("ffmpeg-static")) as unknown as { default: unknown };
    return typeof path === "string" ? path : undefined;
  } catch {
    return undefined;
  }
}
