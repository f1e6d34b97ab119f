import { limits, runFfmpeg, type ProgramCommand } from "./ffmpeg-program.js";

const patterns = {
  encoders: /^ [VA]\S{5} (\S+)/gm,
  filters: /^ [T.][S.][C.] (\S+) /gm,
} as const;

const known = new Map<string, Promise<ReadonlySet<string>>>();

/** Lists the names of the encoders of sound and pictures, or of the filters, that an ffmpeg has. The answer is cached. */
export function abilities(ffmpeg: ProgramCommand, kind: "encoders" | "filters"): Promise<ReadonlySet<string>> {
  const key = [kind, ffmpeg.path, ...ffmpeg.prefix].join("\n");
  let names = known.get(key);
  if (!names) {
    names = runFfmpeg(ffmpeg, ["-hide_banner", `-${kind}`], { limit: limits.answer }).then(
      ({ stdout }) => new Set([...stdout.matchAll(patterns[kind])].map((match) => match[1]!)),
    );
    known.set(key, names);
  }
  return names;
}
