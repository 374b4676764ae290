// Slices as pixels: pure functions from typed arrays to typed arrays.

import { AXES } from "./geometry.js";

/** How a slice is read: pixels across and down, and the steps between their voxels in the data. */
export function layoutOf(plane, index, { shape, strides, offset }) {
  const [across, down, through] = AXES[plane];
  const [width, height] = [shape[across], shape[down]];
  // Both axes of a picture run against the index.
  const start = offset + index * strides[through] + (width - 1) * strides[across] + (height - 1) * strides[down];
  return { width, height, start, right: -strides[across], below: -strides[down] };
}

/** Fill `pixels` with the greys of a slice. */
export function paintGrey(pixels, { width, height, start, right, below }, { data }, { first, table }) {
  let to = 0;
  for (let y = 0; y < height; y += 1) {
    let from = start + y * below;
    for (let x = 0; x < width; x += 1, from += right) pixels[to++] = table[data[from] - first];
  }
}

/** Fill `pixels` with colours by value; 0 is clear. */
export function paintTable(pixels, { width, height, start, right, below }, data, table) {
  let to = 0;
  for (let y = 0; y < height; y += 1) {
    let from = start + y * below;
    for (let x = 0; x < width; x += 1, from += right) pixels[to++] = table[data[from]];
  }
}

/** Fill `pixels` with what of the values that are `shown` was gained and lost since the mask `before`. */
export function paintChange(pixels, { width, height, start, right, below }, data, { before, gained, lost }, shown) {
  let to = 0;
  for (let y = 0; y < height; y += 1) {
    let from = start + y * below;
    for (let x = 0; x < width; x += 1, from += right) {
      const [now, then] = [shown.has(data[from]), shown.has(before[from])];
      if (now === then) pixels[to++] = 0;
      else pixels[to++] = now ? gained : lost;
    }
  }
}

/**
 * The outline of each label in a slice: for each the edges between its pixels and others, as runs
 * [x1, y1, x2, y2] in pixels from the left top corner. `shown(value)` tells whether a label is drawn.
 */
export function outlines({ width, height, start, right, below }, data, shown) {
  const found = new Map();
  const edge = (value, run) => {
    if (!found.has(value)) found.set(value, []);
    found.get(value).push(run);
  };
  const value = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : data[start + x * right + y * below]);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const here = value(x, y);
      if (!here || !shown(here)) continue;
      if (value(x, y - 1) !== here) edge(here, [x, y, x + 1, y]);
      if (value(x, y + 1) !== here) edge(here, [x, y + 1, x + 1, y + 1]);
      if (value(x - 1, y) !== here) edge(here, [x, y, x, y + 1]);
      if (value(x + 1, y) !== here) edge(here, [x + 1, y, x + 1, y + 1]);
    }
  }
  return found;
}

/** The smallest box {low, high} of voxels above `background`, of every `step`th; the whole grid if there are none. */
export function boxAbove({ shape, strides, offset }, data, background, step = 2) {
  const low = [...shape];
  const high = [-1, -1, -1];
  for (let k = 0; k < shape[2]; k += step) {
    for (let j = 0; j < shape[1]; j += step) {
      const row = offset + j * strides[1] + k * strides[2];
      for (let i = 0; i < shape[0]; i += step) {
        if (data[row + i * strides[0]] <= background) continue;
        [i, j, k].forEach((value, axis) => {
          if (value < low[axis]) low[axis] = value;
          if (value > high[axis]) high[axis] = value;
        });
      }
    }
  }
  return high[0] < 0 ? { low: [0, 0, 0], high: shape.map((count) => count - 1) } : { low, high };
}
