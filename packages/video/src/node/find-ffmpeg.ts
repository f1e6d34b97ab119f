import { stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, resolve } from "node:path";
import { checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";
import { cacheFolder, findCachedProgram, findProgram, programProblem } from "@coordtok/core/node";
import { limits, runFfmpeg, type ProgramCommand } from "./ffmpeg-program.js";
import { wasmProgram } from "./ffmpeg-wasm.js";

/** The options that choose ffmpeg. Every function that starts it has them. */
export interface FfmpegOptions {
  /** The path of ffmpeg (default: found as described in {@link findFfmpeg}). */
  readonly ffmpeg?: string | undefined;
  /** The path of ffprobe (default: found as described in {@link findFfmpeg}); `false` does without it. */
  readonly ffprobe?: string | false | undefined;
  /** Videos whose frames have more pixels are refused before they are decoded (default 67 108 864, as 8192 x 8192 has). */
  readonly maxPixels?: number | undefined;
}

/** The names of {@link FfmpegOptions}. */
export const ffmpegOptionNames: OptionNames<FfmpegOptions> = { ffmpeg: true, ffprobe: true, maxPixels: true };

/**
 * The place where a program was found. `setup` is the cache folder, where `coordtok setup` puts one; `@ffmpeg/core` is an npm package with
 * ffmpeg for WebAssembly.
 */
export type ProgramSource =
  | "option"
  | "FFMPEG_PATH"
  | "FFMPEG_BIN"
  | "ffmpeg-static"
  | "FFPROBE_PATH"
  | "beside ffmpeg"
  | "PATH"
  | "setup"
  | "@ffmpeg/core";

/** A program that was found and works. */
export interface FoundProgram {
  /** The absolute path of the program to start. */
  readonly path: string;
  /** The arguments before its own: empty, except for a program that another one runs. */
  readonly prefix: readonly string[];
  /** The version that it reports, such as `5.1.9-0+deb12u1`. */
  readonly version: string;
  /** The licence that results from its configuration, such as `GPL-3.0-or-later`. */
  readonly licence: string;
  /** Where it was found. */
  readonly source: ProgramSource;
}

/** The ffmpeg in use. */
export interface Ffmpeg extends FoundProgram {
  /** The ffprobe in use; without one, `probe` parses the output of ffmpeg. */
  readonly ffprobe: FoundProgram | undefined;
  /** Whether it is version 5.1 or newer and knows `-fps_mode`. */
  readonly knowsFpsMode: boolean;
}

/** One place where a program was looked for. */
export interface ProgramCandidate {
  /** The program looked for. */
  readonly program: "ffmpeg" | "ffprobe";
  /** The place. */
  readonly source: ProgramSource;
  /** The file that was tried, if there was one. */
  readonly path: string | undefined;
  /** `chosen`, `not needed` after the chosen one, or why it cannot be used. */
  readonly outcome: string;
}

/** The result of {@link describeFfmpeg}. */
export interface FfmpegReport {
  /** The ffmpeg in use, if any. */
  readonly chosen: Ffmpeg | undefined;
  /** All places, in the order of the search. */
  readonly candidates: readonly ProgramCandidate[];
  /** The error that {@link findFfmpeg} throws, if any. */
  readonly error: CoordTokError | undefined;
}

/** A program to try. */
interface Located extends ProgramCommand {
  /** Its name in reports, if that is not the path of the program to start. */
  readonly name?: string;
  /** Its answer to `-version`, if known. */
  readonly answer?: Answer;
}

interface Place {
  readonly source: ProgramSource;
  /** Returns the program to try, or why there is none. */
  readonly look: () => Promise<Located | { readonly absent: string }>;
  /** Whether an unusable program is an error, because the user asked for it. */
  readonly demanded: boolean;
}

interface Search {
  found: (FoundProgram & { readonly banner: string }) | undefined;
  candidates: ProgramCandidate[];
  error: CoordTokError | undefined;
}

const found = new Map<string, Promise<Ffmpeg>>();

/**
 * Finds ffmpeg in the option, `FFMPEG_PATH`, `FFMPEG_BIN`, the package ffmpeg-static, `PATH`, the cache folder of `coordtok setup` and the
 * package `@ffmpeg/core` (WebAssembly, several times slower), in this order. A program that the option or `FFMPEG_PATH` names must work;
 * unusable ones elsewhere are passed over. ffprobe is looked for in the option, `FFPROBE_PATH`, beside ffmpeg and on `PATH`; it is optional.
 * The result is cached for the life of the process.
 * @throws CoordTokError `ffmpeg`, saying how to get it.
 */
export function findFfmpeg(options: FfmpegOptions = {}): Promise<Ffmpeg> {
  checkOptions(options, ffmpegOptionNames, "findFfmpeg");
  const { FFMPEG_PATH, FFMPEG_BIN, FFPROBE_PATH, PATH } = process.env;
  const environment = [FFMPEG_PATH, FFMPEG_BIN, FFPROBE_PATH, PATH, cacheFolder()];
  const key = JSON.stringify([options.ffmpeg, options.ffprobe, ...environment]);
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

/** Looks for ffmpeg and ffprobe as {@link findFfmpeg} does, without throwing, and reports the outcome for each place. */
export async function describeFfmpeg(options: FfmpegOptions = {}): Promise<FfmpegReport> {
  checkOptions(options, ffmpegOptionNames, "describeFfmpeg");
  const search = await searchPlaces("ffmpeg", placesOfFfmpeg(options));
  const ffmpeg = search.found;
  if (!ffmpeg) return { chosen: undefined, candidates: search.candidates, error: search.error ?? notFound(search) };
  const probeSearch = await searchPlaces("ffprobe", placesOfFfprobe(options, ffmpeg));
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

function placesOfFfmpeg(options: FfmpegOptions): Place[] {
  const { FFMPEG_PATH, FFMPEG_BIN } = process.env;
  return [
    { source: "option", look: () => given(options.ffmpeg, "not given"), demanded: true },
    { source: "FFMPEG_PATH", look: () => given(FFMPEG_PATH, "not set"), demanded: true },
    { source: "FFMPEG_BIN", look: () => given(FFMPEG_BIN, "not set"), demanded: false },
    { source: "ffmpeg-static", look: () => located(pathOfFfmpegStatic(), "not installed"), demanded: false },
    { source: "PATH", look: () => located(findProgram("ffmpeg"), "not there"), demanded: false },
    { source: "setup", look: cached, demanded: false },
    { source: "@ffmpeg/core", look: async () => wasmProgram("ffmpeg"), demanded: false },
  ];
}

function placesOfFfprobe(options: FfmpegOptions, ffmpeg: FoundProgram & { readonly banner: string }): Place[] {
  const { path, source, version, licence, banner } = ffmpeg;
  if (options.ffprobe === false) return [];
  const asked = options.ffprobe;
  const name = basename(path, extname(path)).replace("ffmpeg", "ffprobe") + extname(path);
  const beside = join(dirname(path), name);
  const besideFfmpeg = async (): Promise<string | undefined> => (beside === path ? undefined : beside);
  const wasm = source === "@ffmpeg/core";
  return [
    { source: "option", look: () => given(asked, "not given"), demanded: true },
    { source: "FFPROBE_PATH", look: () => given(process.env["FFPROBE_PATH"], "not set"), demanded: true },
    wasm
      ? {
          source,
          look: async () => ({ ...wasmProgram("ffprobe"), answer: { version, licence, banner } }),
          demanded: false,
        }
      : { source: "beside ffmpeg", look: () => located(besideFfmpeg(), "not there"), demanded: false },
    { source: "PATH", look: () => located(findProgram("ffprobe"), "not there"), demanded: false },
  ];
}

async function searchPlaces(program: "ffmpeg" | "ffprobe", places: readonly Place[]): Promise<Search> {
  const search: Search = { found: undefined, candidates: [], error: undefined };
  for (const { source, look, demanded } of places) {
    const note = (path: string | undefined, outcome: string): void =>
      void search.candidates.push({ program, source, path, outcome });
    if (search.found ?? search.error) {
      note(undefined, "not needed");
      continue;
    }
    const place = await look();
    if ("absent" in place) {
      note(undefined, place.absent);
      continue;
    }
    const answer = place.answer ?? (await askVersion(program, place));
    const { path, prefix, name = path } = place;
    note(name, "problem" in answer ? answer.problem : "chosen");
    if (!("problem" in answer)) search.found = { path, prefix, source, ...answer };
    else if (demanded)
      search.error = new CoordTokError(
        "ffmpeg",
        `The ${program} given by ${source === "option" ? "the option" : source}, "${path}", cannot be used: ${answer.problem}; correct the path or leave it out.`,
      );
  }
  return search;
}

function notFound(search: Search): CoordTokError {
  const tried = search.candidates.map(
    ({ source, path, outcome }) => `${source} (${path === undefined ? outcome : `${path}: ${outcome}`})`,
  );
  return new CoordTokError(
    "ffmpeg",
    `ffmpeg not found. Tried: ${tried.join(", ")}. Install it (apt install ffmpeg / brew install ffmpeg / winget install ffmpeg), ` +
      `or run "npx coordtok setup", which downloads one through Python's pip, or set FFMPEG_PATH, or add the npm package @ffmpeg/core (GPL, several times slower).`,
  );
}

type Answer =
  { readonly problem: string } | { readonly version: string; readonly licence: string; readonly banner: string };

async function askVersion(program: "ffmpeg" | "ffprobe", place: ProgramCommand): Promise<Answer> {
  const { path } = place;
  if (!isAbsolute(path))
    return { problem: `no program of that name is on PATH (for a file in this folder write ./${path})` };
  const facts = await stat(path).catch(() => undefined);
  if (!facts) return { problem: "there is no such file" };
  if (!facts.isFile()) return { problem: "it is not a file" };
  const end = await runFfmpeg(place, ["-version"], { limit: limits.answer });
  const { exitCode, stdout } = end;
  if (exitCode !== 0 && exitCode !== undefined) return { problem: `it answers -version with exit code ${exitCode}` };
  const problem = programProblem(end);
  if (problem !== undefined) return { problem };
  const version = new RegExp(`^${program} version (\\S+)`).exec(stdout)?.[1];
  if (version === undefined) return { problem: `it is not ${program}` };
  if (isOlderThan(stdout, oldestUsable)) return { problem: `version ${version} is too old, 4.0 or newer is needed` };
  return { version, licence: licenceOf(stdout), banner: stdout };
}

/** The licence that results from the options of a build, according to ffmpeg's documentation of licences. */
function licenceOf(banner: string): string {
  const has = (name: string): boolean => banner.includes(`--enable-${name}`);
  if (has("nonfree")) return "nonfree (not redistributable)";
  const family = has("gpl") ? ["GPL", "2.0"] : ["LGPL", "2.1"];
  return `${family[0]}-${has("version3") ? "3.0" : family[1]}-or-later`;
}

/** Versions of libavutil, which even builds without a version number print: ffmpeg 4.0 has 56.14, ffmpeg 5.1 has 57.28. */
const oldestUsable: readonly [number, number] = [56, 14];
const firstWithFpsMode: readonly [number, number] = [57, 28];

function isOlderThan(banner: string, [major, minor]: readonly [number, number]): boolean {
  const library = /^libavutil\s+(\d+)\.\s*(\d+)\./m.exec(banner);
  if (!library) return false;
  const own = [Number(library[1]), Number(library[2])] as const;
  return own[0] < major || (own[0] === major && own[1] < minor);
}

/** Resolves a given program: a path becomes absolute, a bare name is looked up in PATH and stays bare if it is not found. */
async function given(name: string | undefined, absent: string): Promise<Located | { readonly absent: string }> {
  if (name === undefined || name === "") return { absent };
  const path = basename(name) === name ? ((await findProgram(name)) ?? name) : resolve(name);
  return { path, prefix: [] };
}

async function located(
  search: Promise<string | undefined>,
  absent: string,
): Promise<Located | { readonly absent: string }> {
  const path = await search;
  return path === undefined ? { absent } : { path, prefix: [] };
}

async function cached(): Promise<Located | { readonly absent: string }> {
  const program = await findCachedProgram("ffmpeg");
  return "missing" in program ? { absent: program.missing } : { path: program.path, prefix: [] };
}

async function pathOfFfmpegStatic(): Promise<string | undefined> {
  try {
    // Its types describe another module shape than Node loads.
    const { default: path } = (await import("ffmpeg-static")) as unknown as { default: unknown };
    return typeof path === "string" ? path : undefined;
  } catch {
    return undefined;
  }
}
