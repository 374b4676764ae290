// The connected lesions of a mask: volume, side and largest diameter in an axial slice.

import { components } from "./edit.js";
import { at } from "./volume.js";

// As app/analysis/lesions.py has them.
const LEAST_ML = 0.05;
const BOTH_SIDES_SHARE = 0.1;

const cross = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);

/** The corners of the convex hull of points [x, y] (Andrew's monotone chain, 1979). */
export function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (sorted.length < 3) return sorted;
  const half = (list) => {
    const chain = [];
    for (const point of list) {
      while (chain.length > 1 && cross(chain.at(-2), chain.at(-1), point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

/** {length, slice}: the longest diameter in an axial slice, to the edges of the voxels as RANO diameters go. */
function longestAxial(points, spacing) {
  const slices = new Map();
  for (const [i, j, k] of points) {
    if (!slices.has(k)) slices.set(k, []);
    slices.get(k).push([i, j]);
  }
  let best = { length: 0, slice: points[0][2] };
  for (const [slice, found] of slices) {
    const [x, y] = spacing;
    const halves = found.flatMap(([i, j]) => [[(i - 0.5) * x, j * y], [(i + 0.5) * x, j * y], [i * x, (j - 0.5) * y], [i * x, (j + 0.5) * y]]);
    const corners = hull(halves);
    for (const a of corners) for (const b of corners) {
      const length = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (length > best.length) best = { length, slice };
    }
  }
  return best;
}

function sideOf(points, affine, centre) {
  if (!centre) return "";
  let left = 0;
  for (const [i, j, k] of points) {
    const x = affine[0][0] * i + affine[0][1] * j + affine[0][2] * k + affine[0][3] - centre[0];
    // Half a voxel on the plane counts for each side.
    left += Math.abs(x) < 1e-3 ? 0.5 : Number(x < 0);
  }
  const share = left / points.length;
  if (Math.min(share, 1 - share) >= BOTH_SIDES_SHARE) return "both sides";
  return share > 0.5 ? "left" : "right";
}

/** [{ml, side, diameter, slice, point, places}], the largest first; `point` is the voxel nearest to the centre. */
export function lesionsOf(grid, data, affine, brainCentre) {
  const voxelMl = grid.spacing.reduce((product, value) => product * value, 1) / 1000;
  return components(grid, data, (value) => value > 0)
    .map(({ points, places }) => ({ points, places, ml: points.length * voxelMl }))
    .filter(({ ml }) => ml + voxelMl / 2 >= LEAST_ML)
    .sort((a, b) => b.ml - a.ml)
    .map(({ points, places, ml }) => {
      const centre = [0, 1, 2].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
      const far = (point) => Math.hypot(...point.map((value, axis) => value - centre[axis]));
      const { length, slice } = longestAxial(points, grid.spacing);
      return {
        ml, slice, places, diameter: length, side: sideOf(points, affine, brainCentre),
        point: points.reduce((best, point) => (far(point) < far(best) ? point : best)),
      };
    });
}

/** What lesions are called while a mask is corrected; app/analysis/lesion_names.py has the same rule for what is saved. */
export class LesionNames {
  #numberAt = new Map();

  /** `lesions` of the saved mask, and `saved` [{number, point}], what they are called; those of old cases have no names. */
  constructor(grid, lesions, saved) {
    if (!saved.length) saved = lesions.map(({ point }, n) => ({ number: n + 1, point }));
    const owner = new Map(lesions.flatMap((lesion) => lesion.places.map((place) => [place, lesion])));
    for (const { number, point } of saved) {
      for (const place of owner.get(at(grid, ...point))?.places ?? []) this.#numberAt.set(place, number);
    }
  }

  /** Lesions with `number`, null for new ones, in the order of the numbers. Each has that of which it shares most. */
  named(lesions) {
    const shared = lesions.flatMap((lesion) => {
      const counts = new Map();
      for (const place of lesion.places) {
        const number = this.#numberAt.get(place);
        if (number) counts.set(number, (counts.get(number) ?? 0) + 1);
      }
      return [...counts].map(([number, count]) => ({ lesion, number, count }));
    });
    shared.sort((a, b) => b.count - a.count || a.number - b.number);
    const numbers = new Map();
    const taken = new Set();
    for (const { lesion, number } of shared) {
      if (numbers.has(lesion) || taken.has(number)) continue;
      numbers.set(lesion, number);
      taken.add(number);
    }
    return lesions.map((lesion) => ({ ...lesion, number: numbers.get(lesion) ?? null }))
      .sort((a, b) => (a.number ?? Number.MAX_VALUE) - (b.number ?? Number.MAX_VALUE));
  }
}
