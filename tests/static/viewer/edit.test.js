import assert from "node:assert/strict";
import test from "node:test";

import { AXES, PLANES } from "../../../static/js/viewer/geometry.js";
import { Stroke, between, brush, components, enclosed, interpolateSlices, signedDistances, smoothed, write } from "../../../static/js/viewer/edit.js";
import { at } from "../../../static/js/viewer/volume.js";
import { close, each, maskOf, plain, random } from "./grids.js";

const GRID = plain([20, 20, 20]);

const visited = (run) => {
  const found = [];
  run((...point) => found.push(point));
  return found;
};

test("a stroke is taken back voxel by voxel, and leaves locked labels", () => {
  const data = Uint8Array.of(0, 1, 2, 2);
  const stroke = new Stroke(data, new Set([1]));
  for (const place of [0, 1, 2, 2, 3]) stroke.set(place, 4);
  stroke.set(0, 3);
  stroke.set(3, 2);
  const { places, before, after } = stroke.change;
  assert.deepEqual([...data], [3, 1, 4, 2]);
  assert.deepEqual([[...places], [...before], [...after]], [[0, 2, 3], [0, 2, 2], [3, 4, 2]]);
  write(data, places, before);
  assert.deepEqual([...data], [0, 1, 2, 2]);
});

test("a brush of one voxel is one voxel, a disc stays in its plane, a ball does not", () => {
  for (const plane of PLANES) {
    const through = AXES[plane][2];
    assert.deepEqual(visited((v) => brush(GRID, plane, [5.2, 6.4, 7], 1, false, v)), [[5, 6, 7]]);
    const disc = visited((v) => brush(GRID, plane, [10, 10, 10], 5, false, v));
    assert.ok(disc.every((point) => point[through] === 10));
    assert.equal(disc.length, 21);
  }
  assert.equal(visited((v) => brush(GRID, "axial", [10, 10, 10], 5, true, v)).length, 81);
  assert.equal(visited((v) => brush(GRID, "axial", [10.4, 10.4, 10], 2, false, v)).length, 4);
});

test("a brush is round in millimetres, and ends at the edge of the volume", () => {
  const thick = plain([20, 20, 20], [1, 1, 5]);
  const ball = visited((v) => brush(thick, "axial", [10, 10, 10], 9, true, v));
  assert.deepEqual(new Set(ball.map(([, , k]) => k)), new Set([10]));
  const corner = visited((v) => brush(GRID, "axial", [0, 0, 0], 7, true, v));
  assert.ok(corner.length > 20);
  assert.ok(corner.every((point) => point.every((value) => value >= 0)));
});

test("between two points no voxel is left out", () => {
  const points = [[0, 0, 0], ...between([0, 0, 0], [7, 3, -5])];
  assert.deepEqual(points.at(-1), [7, 3, -5]);
  for (let n = 1; n < points.length; n += 1) {
    assert.ok(points[n].every((value, axis) => Math.abs(value - points[n - 1][axis]) <= 0.5));
  }
  assert.equal(between([1, 1, 1], [1, 1, 1]).length, 1);
});

test("what a line encloses is filled in every plane, hollows included", () => {
  for (const plane of PLANES) {
    const [across, down, through] = AXES[plane];
    const point = (x, y) => {
      const found = [0, 0, 0];
      [found[across], found[down], found[through]] = [x, y, 4];
      return found;
    };
    const square = [[1.5, 1.5], [6.5, 1.5], [6.5, 6.5], [1.5, 6.5]].map(([x, y]) => point(x, y));
    const inside = visited((v) => enclosed(GRID, plane, square, v));
    assert.equal(inside.length, 25);
    assert.ok(inside.every((one) => one[through] === 4 && one[across] >= 2 && one[across] <= 6));
    const horseshoe = [[0.5, 0.5], [9.5, 0.5], [9.5, 9.5], [6.5, 9.5], [6.5, 3.5], [3.5, 3.5], [3.5, 9.5], [0.5, 9.5]];
    const found = visited((v) => enclosed(GRID, plane, horseshoe.map(([x, y]) => point(x, y)), v));
    assert.equal(found.length, 9 * 3 + 2 * 3 * 6);
    assert.ok(!found.some((one) => one[across] === 5 && one[down] === 7));
  }
});

test("signed distances are those of the nearest pixel on the other side", () => {
  const [width, height, steps] = [13, 11, [1, 2.5]];
  const next = random(7);
  const mask = Uint8Array.from({ length: width * height }, () => Number(next() < 0.3));
  const found = signedDistances(mask, width, height, steps);
  for (let n = 0; n < mask.length; n += 1) {
    let nearest = Infinity;
    mask.forEach((set, m) => {
      if (set !== mask[n]) nearest = Math.min(nearest, Math.hypot(((n % width) - (m % width)) * steps[0], (Math.floor(n / width) - Math.floor(m / width)) * steps[1]));
    });
    assert.ok(close(found[n], mask[n] ? nearest : -nearest, 1e-6));
  }
});

test("between two discs of different size lies one of the middle size, in every plane", () => {
  for (const plane of PLANES) {
    const [across, down, through] = AXES[plane];
    const inDisc = (...point) => {
      const radius = point[through] === 2 ? 3 : 7;
      return Math.hypot(point[across] - 10, point[down] - 10) <= radius;
    };
    const sizes = {};
    interpolateSlices(GRID, plane, 2, 6, inDisc, (i, j, k, isIn) => {
      const index = [i, j, k][through];
      sizes[index] = (sizes[index] ?? 0) + Number(isIn);
    });
    assert.deepEqual(Object.keys(sizes), ["3", "4", "5"]);
    assert.ok(sizes[3] < sizes[4] && sizes[4] < sizes[5]);
    assert.ok(Math.abs(sizes[4] - Math.PI * 25) < 12, sizes[4]);
  }
});

test("a slice between two equal ones is equal to them", () => {
  const isSet = (i, j) => i > 4 && i < 9 && j > 2 && j < 15;
  interpolateSlices(GRID, "axial", 3, 8, isSet, (i, j, k, isIn) => assert.equal(isIn, isSet(i, j), `${i} ${j} ${k}`));
});

test("parts are connected across corners, and counted once", () => {
  const grid = plain([6, 6, 6]);
  const cells = new Set(["0,0,0", "1,1,1", "2,1,1", "5,5,5", "5,5,3"]);
  const parts = components(grid, maskOf(grid, (...point) => Number(cells.has(String(point)))), (value) => value > 0);
  assert.deepEqual(parts.map(({ points }) => points.length), [3, 1, 1]);
  for (const { points, places } of parts) points.forEach((point, n) => assert.equal(at(grid, ...point), places[n]));
});

test("voxels at opposite borders do not touch", () => {
  const grid = plain([4, 4, 4]);
  const parts = components(grid, maskOf(grid, (i, j, k) => Number((i === 3 && j === 0 && k === 0) || (i === 0 && j === 1 && k === 0))), Boolean);
  assert.equal(parts.length, 2);
});

test("smoothing takes spikes, fills holes, and gives what it takes to the label around", () => {
  const grid = plain([12, 12, 12]);
  const inCube = (...point) => point.every((value) => value >= 3 && value <= 8);
  const data = maskOf(grid, (...point) => {
    if (String(point) === "5,5,5") return 0;
    if (String(point) === "5,5,9") return 1;
    return inCube(...point) ? 1 : 2;
  });
  const changes = new Map(smoothed(grid, data, 1));
  assert.equal(changes.get(at(grid, 5, 5, 5)), 1);
  assert.equal(changes.get(at(grid, 5, 5, 9)), 2);
  // Corners go, faces stay.
  assert.equal(changes.get(at(grid, 3, 3, 3)), 2);
  assert.ok(!changes.has(at(grid, 3, 5, 5)));
  let others = 0;
  each(grid, (...point) => { if (changes.has(at(grid, ...point)) && !inCube(...point) && point[2] !== 9) others += 1; });
  assert.equal(others, 0);
});
