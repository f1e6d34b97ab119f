import { basename } from "node:path";
import { lstat } from "node:fs/promises";
import { openFileSource, writeAtomically } from "@coordtok/core/node";
import { disposeTriplane, planeNames } from "@coordtok/triplane";
import { createTar } from "nanotar";
import { openShard } from "./shard.js";

/**
 * Writes the clips of a shard as a WebDataset shard beside it, NAME.tar, unless that is there: for each clip KEY.xy.npy, KEY.yt.npy and KEY.xt.npy,
 * `[rows, columns, channels]` in float32, KEY.json with what it is of, and KEY.cls with the name of its class, if it has one.
 * @throws CoordTokError `file-write`, and as `openShard`.
 */
export async function writeWebdataset(path: string): Promise<void> {
  const target = path.replace(/\.safetensors$/, ".tar");
  if (await isThere(target)) return;
  const shard = await openShard(path);
  const name = basename(target, ".tar");
  const files: { name: string; data: Uint8Array }[] = [];
  await using source = await openFileSource(path);
  for (const [index, clip] of shard.clips.entries()) {
    const key = `${name}-${String(index).padStart(6, "0")}`;
    const triplane = await shard.readClip(source, index);
    try {
      for (const plane of planeNames) {
        const values = (await triplane[plane].data()) as Float32Array;
        files.push({ name: `${key}.${plane}.npy`, data: npy(triplane[plane].shape.slice(1), values) });
      }
    } finally {
      disposeTriplane(triplane);
    }
    files.push({ name: `${key}.json`, data: new TextEncoder().encode(JSON.stringify(clip)) });
    if (clip.class !== undefined) files.push({ name: `${key}.cls`, data: new TextEncoder().encode(clip.class) });
  }
  // The same bytes whenever it is written.
  const tar = createTar(
    files.map((file) => ({ ...file, attrs: { mtime: 0 } })),
    { attrs: { mode: "644", uid: 0, gid: 0 } },
  );
  await writeAtomically(target, tar);
}

/** An array as NumPy's `.npy` of version 1. */
function npy(shape: readonly number[], values: Float32Array): Uint8Array {
  const facts = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const length = Math.ceil((10 + facts.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length + 4 * values.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, (length - 10) & 255, (length - 10) >> 8]);
  bytes.set(new TextEncoder().encode(`${facts.padEnd(length - 11)}\n`), 10);
  const view = new DataView(bytes.buffer, length);
  for (const [index, value] of values.entries()) view.setFloat32(4 * index, value, true);
  return bytes;
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
