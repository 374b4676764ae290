// Changes to a mask: pure functions that say which voxels a tool touches, and `Stroke`, which writes them. Places
// are positions in the data of a grid (volume.js).

import { AXES } from "./geometry.js";
import { at } from "./volume.js";

/** Writes values into a mask and remembers what was there, so that it can be taken back. Locked labels stay. */
export class Stroke {
  #data;
  #locked;
  #before = new Map();

  constructor(data, locked = new Set()) {
    this.#data = data;
    this.#locked = locked;
  }

  set(place, value) {
    const there = this.#data[place];
    if (there === value || this.#locked.has(there)) return;
    if (!this.#before.has(place)) this.#before.set(place, there);
    this.#data[place] = value;
  }

  /** {places, before, after} of what was changed. */
  get change() {
    const places = Uint32Array.from(this.#before.keys());
    return {
      places,
      before: Uint8Array.from(this.#before.values()),
      after: Uint8Array.from(places, (place) => this.#data[place]),
    };
  }
}

export function write(data, places, values) {
  for (let n = 0; n < places.length; n += 1) data[places[n]] = values[n];
}

/** Calls `visit(i, j, k)` for the voxels of a disc in a plane, or of a ball, whose diameter is so many voxels. */
export function brush(grid, plane, point, diameter, ball, visit) {
  const { shape, spacing } = grid;
  const [across, down, through] = AXES[plane];
  const voxel = Math.min(spacing[across], spacing[down]);
  const radius = (diameter * voxel) / 2;
  const reach = [0, 1, 2].map((axis) => (axis === through && !ball ? 0 : Math.ceil(radius / spacing[axis])));
  // The middle of a brush with an even number of voxels lies between them.
  const middle = point.map((value, axis) => (axis === through ? Math.round(value) : diameter % 2 ? Math.round(value) : Math.floor(value) + 0.5));
  const low = middle.map((value, axis) => Math.max(0, Math.floor(value - reach[axis])));
  const high = middle.map((value, axis) => Math.min(shape[axis] - 1, Math.ceil(value + reach[axis])));
  const square = (value, axis) => ((value - middle[axis]) * spacing[axis]) ** 2;
  const limit = radius * radius + 1e-6;
  for (let k = low[2]; k <= high[2]; k += 1) {
    for (let j = low[1]; j <= high[1]; j += 1) {
      for (let i = low[0]; i <= high[0]; i += 1) {
        if (square(i, 0) + square(j, 1) + square(k, 2) <= limit) visit(i, j, k);
      }
    }
  }
}

/** Points from `a` to `b` that leave no gap between voxels. */
export function between(a, b) {
  const steps = Math.max(1, Math.ceil(Math.max(...a.map((value, axis) => Math.abs(value - b[axis]))) * 2));
  return Array.from({ length: steps }, (_, n) => a.map((value, axis) => value + ((b[axis] - value) * (n + 1)) / steps));
}

/** Calls `visit(i, j, k)` for the voxels within a closed line of points in one slice. */
export function enclosed(grid, plane, line, visit) {
  const [across, down, through] = AXES[plane];
  const index = Math.round(line[0][through]);
  const rows = line.map((point) => point[down]);
  const first = Math.max(0, Math.ceil(Math.min(...rows)));
  const last = Math.min(grid.shape[down] - 1, Math.floor(Math.max(...rows)));
  for (let row = first; row <= last; row += 1) {
    const cuts = [];
    line.forEach((a, n) => {
      const b = line[(n + 1) % line.length];
      if ((a[down] <= row) !== (b[down] <= row)) cuts.push(a[across] + ((row - a[down]) * (b[across] - a[across])) / (b[down] - a[down]));
    });
    cuts.sort((a, b) => a - b);
    for (let n = 0; n + 1 < cuts.length; n += 2) {
      for (let column = Math.max(0, Math.ceil(cuts[n])); column <= Math.min(grid.shape[across] - 1, cuts[n + 1]); column += 1) {
        const point = [0, 0, 0];
        point[across] = column;
        point[down] = row;
        point[through] = index;
        visit(...point);
      }
    }
  }
}

/** Squared distances along one line to the nearest point of a parabola each (Felzenszwalb & Huttenlocher 2012). */
function alongLine(values, count, step) {
  const centres = new Int32Array(count);
  const starts = new Float64Array(count + 1);
  const result = new Float64Array(count);
  let last = -1;
  for (let q = 0; q < count; q += 1) {
    if (values[q] === Infinity) continue;
    let from = -Infinity;
    while (last >= 0) {
      const p = centres[last];
      from = (values[q] - values[p] + (q * q - p * p) * step * step) / (2 * (q - p) * step * step);
      if (from > starts[last]) break;
      last -= 1;
    }
    last += 1;
    centres[last] = q;
    starts[last] = last ? from : -Infinity;
  }
  if (last < 0) return result.fill(Infinity);
  starts[last + 1] = Infinity;
  for (let q = 0, n = 0; q < count; q += 1) {
    while (starts[n + 1] < q) n += 1;
    result[q] = values[centres[n]] + ((q - centres[n]) * step) ** 2;
  }
  return result;
}

/** Distance of each pixel to the nearest that is set, in mm. */
function distances(mask, width, height, [stepX, stepY]) {
  const squares = Float64Array.from(mask, (set) => (set ? 0 : Infinity));
  for (let x = 0; x < width; x += 1) {
    const column = alongLine(Float64Array.from({ length: height }, (_, y) => squares[x + y * width]), height, stepY);
    for (let y = 0; y < height; y += 1) squares[x + y * width] = column[y];
  }
  for (let y = 0; y < height; y += 1) squares.set(alongLine(squares.slice(y * width, (y + 1) * width), width, stepX), y * width);
  return squares.map(Math.sqrt);
}

/** Signed distance of each pixel of a shape to its border, in mm; positive inside. */
export function signedDistances(mask, width, height, steps) {
  const outside = distances(mask, width, height, steps);
  const within = distances(mask.map((set) => (set ? 0 : 1)), width, height, steps);
  return within.map((value, n) => value - outside[n]);
}

/**
 * The shapes between two slices, by interpolating their signed distances (Raya & Udupa, IEEE Trans Med Imaging 1990;
 * 9:32; Herman et al., IEEE CG&A 1992; 12:69). Calls `visit(i, j, k, inside)` for the slices between.
 */
export function interpolateSlices(grid, plane, first, last, isSet, visit) {
  const [across, down, through] = AXES[plane];
  const [width, height] = [grid.shape[across], grid.shape[down]];
  const pointAt = (x, y, index) => {
    const point = [0, 0, 0];
    point[across] = x;
    point[down] = y;
    point[through] = index;
    return point;
  };
  const shape = (index) => Uint8Array.from({ length: width * height }, (_, n) => Number(isSet(...pointAt(n % width, Math.floor(n / width), index))));
  const steps = [grid.spacing[across], grid.spacing[down]];
  const [a, b] = [shape(first), shape(last)].map((mask) => signedDistances(mask, width, height, steps));
  for (let index = first + 1; index < last; index += 1) {
    const share = (index - first) / (last - first);
    for (let n = 0; n < a.length; n += 1) {
      visit(...pointAt(n % width, Math.floor(n / width), index), a[n] * (1 - share) + b[n] * share > 0);
    }
  }
}

/** Connected parts of what `isSet(value)` selects, each as the places of its voxels; neighbours across corners, too. */
export function components(grid, data, isSet) {
  const { shape, strides } = grid;
  const seen = new Uint8Array(data.length);
  const parts = [];
  for (let k = 0; k < shape[2]; k += 1) {
    for (let j = 0; j < shape[1]; j += 1) {
      for (let i = 0; i < shape[0]; i += 1) {
        const start = at(grid, i, j, k);
        if (seen[start] || !isSet(data[start])) continue;
        seen[start] = 1;
        const points = [[i, j, k]];
        const places = [start];
        for (let n = 0; n < points.length; n += 1) {
          const [x, y, z] = points[n];
          for (let dz = -1; dz <= 1; dz += 1) for (let dy = -1; dy <= 1; dy += 1) for (let dx = -1; dx <= 1; dx += 1) {
            const [u, v, w] = [x + dx, y + dy, z + dz];
            if (u < 0 || v < 0 || w < 0 || u >= shape[0] || v >= shape[1] || w >= shape[2]) continue;
            const place = places[n] + dx * strides[0] + dy * strides[1] + dz * strides[2];
            if (seen[place] || !isSet(data[place])) continue;
            seen[place] = 1;
            points.push([u, v, w]);
            places.push(place);
          }
        }
        parts.push({ points, places });
      }
    }
  }
  return parts;
}

/** The places where a label is smoothed away or in, by the majority of the 27 voxels around: [place, value] pairs. */
export function smoothed(grid, data, label) {
  const { shape, strides } = grid;
  const changes = [];
  for (let k = 1; k < shape[2] - 1; k += 1) {
    for (let j = 1; j < shape[1] - 1; j += 1) {
      let place = at(grid, 1, j, k);
      for (let i = 1; i < shape[0] - 1; i += 1, place += strides[0]) {
        const votes = new Map();
        let mine = 0;
        const here = data[place];
        // Where neither the voxel nor its direct neighbours have the label, nothing changes.
        if (here !== label && !strides.some((stride) => data[place - stride] === label || data[place + stride] === label)) continue;
        for (let dz = -1; dz <= 1; dz += 1) for (let dy = -1; dy <= 1; dy += 1) for (let dx = -1; dx <= 1; dx += 1) {
          const value = data[place + dx * strides[0] + dy * strides[1] + dz * strides[2]];
          if (value === label) mine += 1;
          else votes.set(value, (votes.get(value) ?? 0) + 1);
        }
        if (here !== label && mine >= 14) changes.push([place, label]);
        if (here === label && mine < 14) changes.push([place, [...votes].sort((a, b) => b[1] - a[1])[0][0]]);
      }
    }
  }
  return changes;
}
