// Grids and random numbers for the tests of the viewer.

import { at, gridOf } from "../../../static/js/viewer/volume.js";

/** All 48 ways in which a file's axes can run along those of the patient. */
export const ORIENTATIONS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].flatMap((axes) =>
  Array.from({ length: 8 }, (_, bits) => axes.map((axis, n) => [axis, bits & (1 << n) ? -1 : 1])));

/** A grid whose file has its axes in the order of the canonical ones. */
export const plain = (shape, spacing = [1, 1, 1]) => gridOf(shape, [[0, 1], [1, 1], [2, 1]], spacing);

/** A mask with `valueAt(i, j, k)` at each voxel of a grid. */
export function maskOf(grid, valueAt) {
  const data = new Uint8Array(grid.shape[0] * grid.shape[1] * grid.shape[2]);
  each(grid, (i, j, k) => { data[at(grid, i, j, k)] = valueAt(i, j, k); });
  return data;
}

export function each({ shape }, visit) {
  for (let k = 0; k < shape[2]; k += 1) for (let j = 0; j < shape[1]; j += 1) for (let i = 0; i < shape[0]; i += 1) visit(i, j, k);
}

/** Numbers from 0 to 1 that are the same each time (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const close = (found, wanted, tolerance = 1e-9) => Math.abs(found - wanted) <= tolerance;
