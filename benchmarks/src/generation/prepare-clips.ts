import { execFile } from "node:child_process";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** What is read of `MANIFEST.json` of the shared clips. */
interface ManifestClip {
  readonly file: string;
  readonly dataset: string;
  readonly role?: string;
  readonly tiles?: { readonly w: number; readonly h: number; readonly labels_by_eye: readonly string[] };
}

/** The shorter side of the files made, in pixels. */
const side = 128;

/**
 * Sorts the shared clips into two class folders, `ucf101` and `other`, scaled down so that reading them again and again is cheap: whole
 * files, and the real tiles of the mosaics as files of their own, each clip once. Reconstructions stay out.
 */
async function prepareClips(clips: string, out: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(clips, "MANIFEST.json"), "utf8")) as { clips: ManifestClip[] };
  const tilesSeen = new Set<string>();
  for (const folder of ["ucf101", "other"]) await mkdir(join(out, folder), { recursive: true });
  for (const { file, dataset, role, tiles } of manifest.clips) {
    const target = join(out, dataset.startsWith("UCF") ? "ucf101" : "other", file.replaceAll("/", "_"));
    if (tiles === undefined) await convert(join(clips, file), `${target}.mp4`, []);
    for (const [column, label] of tiles === undefined || role !== "real" ? [] : tiles.labels_by_eye.entries()) {
      // The mosaics of one repository repeat clips; those of different ones do not.
      const key = `${file.split("/")[0]!} ${label}`;
      if (tilesSeen.has(key)) continue;
      tilesSeen.add(key);
      await convert(join(clips, file), `${target}-${label}.mp4`, [
        `crop=${tiles!.w}:${tiles!.h}:${column * tiles!.w}:0`,
      ]);
    }
  }
}

async function convert(from: string, to: string, filters: readonly string[]): Promise<void> {
  const isThere = await stat(to).catch(() => undefined);
  if (isThere) return;
  const scale = `scale='if(gt(iw,ih),-2,${side})':'if(gt(iw,ih),${side},-2)':flags=bicubic`;
  const encoder = "-an -fps_mode passthrough -c:v libx264 -crf 10 -preset veryfast -pix_fmt yuv420p".split(" ");
  await promisify(execFile)("ffmpeg", [
    "-v",
    "error",
    "-i",
    from,
    "-vf",
    [...filters, scale].join(","),
    ...encoder,
    to,
  ]);
}

const [clips, out] = process.argv.slice(2);
if (clips === undefined || out === undefined) throw new Error("Expected the folder of the clips and a folder to fill.");
await prepareClips(clips, out);
