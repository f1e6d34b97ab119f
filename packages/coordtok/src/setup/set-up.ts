import {
  checkFfmpegSetup,
  ffmpegSetupOptionNames,
  setupOptionNames,
  isFfmpegWheel,
  setupFfmpeg,
  setupTensorflow,
  type FfmpegSetupOptions,
  type FfmpegSetupReport,
  type SetupOptions,
  type SetupReport,
} from "@coordtok/backend/setup";
import {
  checkOptions,
  CoordTokError,
  isCoordTokError,
  longCallOptionNames,
  pickOptions,
  type LongCallOptions,
  type Notices,
  type OptionNames,
} from "@coordtok/core";
import {
  describeFfmpeg,
  ffmpegOptionNames,
  findFfmpeg,
  type Ffmpeg,
  type FfmpegOptions,
  type FfmpegReport,
} from "@coordtok/video/node";

/** A part of the setup. */
export type SetupPart = "ffmpeg" | "tensorflow";

/** Options of {@link setUp}. */
export interface SetUpOptions extends Omit<SetupOptions, "wheel"> {
  /** The part to set up (default: both; with wheels given, the parts that they belong to). */
  readonly only?: SetupPart | undefined;
  /** The files of wheels, for machines without network: one of TensorFlow, one of imageio-ffmpeg, or both. */
  readonly wheel?: readonly string[] | undefined;
}

const setUpOptionNames: OptionNames<SetUpOptions> = {
  ...ffmpegSetupOptionNames,
  ...setupOptionNames,
  only: true,
};

/** The result of {@link setUp}. */
export interface SetUpReport {
  /** TensorFlow, if it was requested. */
  readonly tensorflow: SetupReport | undefined;
  /** ffmpeg, if it was requested: the one that setup keeps in the cache folder, or the one that was already installed. */
  readonly ffmpeg: FfmpegSetupReport | { readonly installed: NonNullable<FfmpegReport["chosen"]> } | undefined;
}

/**
 * Sets up the external programs that CoordTok.ts uses on this machine: TensorFlow for the native backend, and ffmpeg if none is
 * installed. Missing requirements of either are reported before anything is downloaded.
 * @throws CoordTokError `setup` with the remedy, `config`, `aborted`.
 */
export async function setUp(options: SetUpOptions = {}): Promise<SetUpReport> {
  checkOptions(options, setUpOptionNames, "setUp");
  const { wheel: wheels = [], ...common } = options;
  const { only, force } = common;
  const given: Record<SetupPart, string | undefined> = {
    ffmpeg: wheels.find(isFfmpegWheel),
    tensorflow: wheels.find((wheel) => !isFfmpegWheel(wheel)),
  };
  if (wheels.length > Object.values(given).filter((wheel) => wheel !== undefined).length)
    throw new CoordTokError("config", "Expected at most one wheel of TensorFlow and one of imageio-ffmpeg.", {
      options: { wheel: undefined },
    });
  const other = only === "ffmpeg" ? "tensorflow" : "ffmpeg";
  if (only !== undefined && given[other] !== undefined)
    throw new CoordTokError("config", `A wheel for ${other} was given, but only ${only} is to be set up.`, {
      options: { only: undefined },
    });
  const wants = (part: SetupPart): boolean =>
    only === undefined ? wheels.length === 0 || given[part] !== undefined : only === part;
  const installed = wants("ffmpeg") ? await installedFfmpeg() : undefined;
  const fetchesFfmpeg = wants("ffmpeg") && (installed === undefined || given.ffmpeg !== undefined || force === true);
  const ffmpegOptions = {
    ...pickOptions<FfmpegSetupOptions, keyof FfmpegSetupOptions>(common, ffmpegSetupOptionNames),
    wheel: given.ffmpeg,
  };
  if (fetchesFfmpeg) await checkFfmpegSetup(ffmpegOptions);
  const tensorflow = wants("tensorflow")
    ? await setupTensorflow({
        ...pickOptions<SetupOptions, keyof SetupOptions>(common, setupOptionNames),
        wheel: given.tensorflow,
      })
    : undefined;
  const ffmpeg = fetchesFfmpeg ? await setupFfmpeg(ffmpegOptions) : installed && { installed };
  return { tensorflow, ffmpeg };
}

/** Finds an ffmpeg that the user has installed: neither the one in the cache, which setup maintains, nor the slow WebAssembly one. */
async function installedFfmpeg(): Promise<FfmpegReport["chosen"]> {
  const { chosen } = await describeFfmpeg();
  return chosen?.source === "setup" || chosen?.source === "@ffmpeg/core" ? undefined : chosen;
}

/** Options of {@link ensureFfmpeg}. */
export interface EnsureFfmpegOptions extends FfmpegOptions, LongCallOptions, Notices {
  /** Whether one may be fetched (default true). */
  readonly fetch?: boolean | undefined;
}

const ensureFfmpegOptionNames: OptionNames<EnsureFfmpegOptions> = {
  ...ffmpegOptionNames,
  ...longCallOptionNames,
  onNote: true,
  onWarning: true,
  fetch: true,
};

/**
 * The ffmpeg to use: one that is installed or set up, else one that is fetched now through Python's pip as `coordtok setup` does, else that
 * of `@ffmpeg/core`. A warning says why the fetching failed.
 * @returns `undefined` where there is none and none can be fetched.
 * @throws CoordTokError `ffmpeg` for a program that the option or `FFMPEG_PATH` names and that cannot be used; `aborted`.
 */
export async function ensureFfmpeg(options: EnsureFfmpegOptions = {}): Promise<Ffmpeg | undefined> {
  checkOptions(options, ensureFfmpegOptionNames, "ensureFfmpeg");
  return ensureFfmpegBy(setupFfmpeg, options);
}

/** {@link ensureFfmpeg} with a setup of ffmpeg that need not be the real one. */
export async function ensureFfmpegBy(
  setup: (options: FfmpegSetupOptions) => Promise<unknown>,
  options: EnsureFfmpegOptions,
): Promise<Ffmpeg | undefined> {
  const { signal, onProgress, onNote, onWarning, fetch = true } = options;
  const asked = pickOptions<EnsureFfmpegOptions, keyof FfmpegOptions>(options, ffmpegOptionNames);
  const { chosen, error } = await describeFfmpeg(asked);
  const isDemanded = (asked.ffmpeg ?? process.env["FFMPEG_PATH"] ?? "") !== "";
  if (error !== undefined && (chosen !== undefined || isDemanded)) throw error;
  if (!fetch || (chosen !== undefined && chosen.source !== "@ffmpeg/core")) return chosen;
  try {
    await setup({ signal, onProgress, onNote });
  } catch (thrown) {
    if (!isCoordTokError(thrown) || thrown.code === "aborted") throw thrown;
    const instead = chosen === undefined ? "" : " @ffmpeg/core, which is several times slower, takes its place.";
    onWarning?.(`ffmpeg cannot be fetched: ${thrown.message}${instead}`);
    return chosen;
  }
  return findFfmpeg(asked);
}
