import { modelRangeOfBytes, type PatchSize, type Random, type RgbClip } from "@coordtok/core";
import type { PatchLattice } from "@coordtok/triplane";

/** Time cells of a lattice that lie wholly within the real frames of a clip; at least one, so that very short clips train too. */
export function realTimeCells(clip: RgbClip, lattice: PatchLattice): number {
  return Math.min(lattice.time, Math.max(1, Math.floor(clip.frameCount / lattice.patch.time)));
}

/** `count` patches drawn independently and uniformly from the real part of a clip (paper, section 3.4). */
export function randomCells(clip: RgbClip, lattice: PatchLattice, count: number, random: Random): Int32Array {
  const sizes = [realTimeCells(clip, lattice), lattice.rows, lattice.columns];
  const cells = new Int32Array(count * 3);
  for (let i = 0; i < cells.length; i++) cells[i] = random.integer(sizes[i % 3]!);
  return cells;
}

/**
 * All patches of `floor(count / patches per time cell)` time cells of the real part of a clip, drawn without repetition, each in
 * raster order (`docs/spec.md#training-sample`); at least one time cell.
 */
export function randomFrameCells(clip: RgbClip, lattice: PatchLattice, count: number, random: Random): Int32Array {
  const order = random.permutation(realTimeCells(clip, lattice));
  return frameCells(order, lattice, count);
}

/** As {@link randomFrameCells}, with the order of the time cells given. */
export function frameCells(order: Int32Array, lattice: PatchLattice, count: number): Int32Array {
  const perTime = lattice.rows * lattice.columns;
  const chosen = order.subarray(0, Math.max(1, Math.floor(count / perTime)));
  const cells = new Int32Array(chosen.length * perTime * 3);
  chosen.forEach((time, i) => {
    for (let j = 0; j < perTime; j++)
      cells.set([time, Math.floor(j / lattice.columns), j % lattice.columns], (i * perTime + j) * 3);
  });
  return cells;
}

/** The pixels of some patches of a clip in [-1, 1]; frames after the last one repeat it. */
export function patchTargets(clip: RgbClip, cells: Int32Array, patch: PatchSize): Float32Array {
  const rowBytes = clip.width * 3;
  const patchRow = patch.space * 3;
  const targets = new Float32Array((cells.length / 3) * patch.time * patch.space * patchRow);
  let next = 0;
  for (let i = 0; i < cells.length; i += 3)
    for (let t = 0; t < patch.time; t++) {
      const frame = Math.min(clip.frameCount - 1, cells[i]! * patch.time + t);
      for (let row = 0; row < patch.space; row++) {
        let at = (frame * clip.height + cells[i + 1]! * patch.space + row) * rowBytes + cells[i + 2]! * patchRow;
        for (const end = at + patchRow; at < end; at++) targets[next++] = modelRangeOfBytes[clip.data[at]!]!;
      }
    }
  return targets;
}
