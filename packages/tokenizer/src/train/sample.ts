import { modelRangeOfBytes, type Random, type RgbClip } from "@coordtok/core";
import type { PatchSize } from "@coordtok/core/nn";
import type { PatchLattice } from "@coordtok/triplane";

/** The number of lattice times that lie wholly within the real frames of a clip; at least 1, so that very short clips train too. */
export function realTimes(clip: RgbClip, lattice: PatchLattice): number {
  return Math.min(lattice.time, Math.max(1, Math.floor(clip.frameCount / lattice.patch.time)));
}

/** Draws `count` patches independently and uniformly from the real part of a clip (paper, section 3.4). */
export function randomPatches(clip: RgbClip, lattice: PatchLattice, count: number, random: Random): Int32Array {
  const sizes = [realTimes(clip, lattice), lattice.rows, lattice.columns];
  const indices = new Int32Array(count * 3);
  for (let i = 0; i < indices.length; i++) indices[i] = random.integer(sizes[i % 3]!);
  return indices;
}

/**
 * Draws `floor(count / patches of one time)` times, at least one, from the real part of a clip without repetition, and returns all
 * their patches, each time in raster order (`docs/spec.md#training-sample`).
 */
export function randomFramePatches(clip: RgbClip, lattice: PatchLattice, count: number, random: Random): Int32Array {
  const order = random.permutation(realTimes(clip, lattice));
  return framePatches(order, lattice, count);
}

/** Does what {@link randomFramePatches} does for times in a given order. */
export function framePatches(order: Int32Array, lattice: PatchLattice, count: number): Int32Array {
  const perTime = lattice.rows * lattice.columns;
  const chosen = order.subarray(0, Math.max(1, Math.floor(count / perTime)));
  const indices = new Int32Array(chosen.length * perTime * 3);
  chosen.forEach((time, i) => {
    for (let j = 0; j < perTime; j++)
      indices.set([time, Math.floor(j / lattice.columns), j % lattice.columns], (i * perTime + j) * 3);
  });
  return indices;
}

/** The pixels of some patches of a clip in [-1, 1]; past the last frame, that frame is repeated. */
export function patchTargets(clip: RgbClip, indices: Int32Array, patch: PatchSize): Float32Array {
  const rowBytes = clip.width * 3;
  const patchRow = patch.space * 3;
  const targets = new Float32Array((indices.length / 3) * patch.time * patch.space * patchRow);
  let next = 0;
  for (let i = 0; i < indices.length; i += 3)
    for (let t = 0; t < patch.time; t++) {
      const frame = Math.min(clip.frameCount - 1, indices[i]! * patch.time + t);
      for (let row = 0; row < patch.space; row++) {
        let at = (frame * clip.height + indices[i + 1]! * patch.space + row) * rowBytes + indices[i + 2]! * patchRow;
        for (const end = at + patchRow; at < end; at++) targets[next++] = modelRangeOfBytes[clip.data[at]!]!;
      }
    }
  return targets;
}
