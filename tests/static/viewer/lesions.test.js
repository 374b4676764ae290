import assert from "node:assert/strict";
import test from "node:test";

import { hull, lesionsOf } from "../../../static/js/viewer/lesions.js";
import { close, maskOf, plain, random } from "./grids.js";

const AFFINE = [[1, 0, 0, -20], [0, 1, 0, -20], [0, 0, 1, -20]];
const box = (low, high) => (...point) => point.every((value, axis) => value >= low[axis] && value <= high[axis]);

test("the hull holds every point, and no point that lies inside", () => {
  const next = random(5);
  const points = Array.from({ length: 60 }, () => [Math.round(next() * 12), Math.round(next() * 12)]);
  const corners = hull(points);
  const side = (a, b, p) => (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
  corners.forEach((a, n) => {
    const b = corners[(n + 1) % corners.length];
    for (const p of points) assert.ok(side(a, b, p) >= 0);
    assert.ok(side(a, b, corners[(n + 2) % corners.length]) > 0);
  });
  assert.deepEqual(hull([[1, 1]]), [[1, 1]]);
});

test("lesions have volume, side and diameter, the largest first", () => {
  const grid = plain([40, 40, 40]);
  const [small, large] = [box([30, 10, 10], [35, 13, 12]), box([2, 20, 20], [11, 29, 29])];
  const data = maskOf(grid, (...point) => (small(...point) ? 4 : large(...point) ? 2 : 0));
  const found = lesionsOf(grid, data, AFFINE, [0, 0, 0]);
  assert.equal(found.length, 2);
  assert.deepEqual(found.map(({ side }) => side), ["left", "right"]);
  assert.ok(close(found[0].ml, 1) && close(found[1].ml, 0.072));
  // From edge to edge of 6 x 4 voxels: through the middles of their outer faces.
  assert.ok(close(found[1].diameter, Math.max(...[[6, 3], [5, 4]].map(([x, y]) => Math.hypot(x, y)))));
  assert.ok(found[1].slice >= 10 && found[1].slice <= 12);
  for (const { point } of found) assert.ok(data[point[0] + 40 * (point[1] + 40 * point[2])] > 0);
});

test("what is below 0.05 mL is left out, and thick slices count for more", () => {
  const few = (...point) => (box([5, 5, 5], [7, 7, 8])(...point) ? 1 : 0);
  const grid = plain([20, 20, 20]);
  assert.equal(lesionsOf(grid, maskOf(grid, few), AFFINE, null).length, 0);
  const thick = plain([20, 20, 20], [1, 1, 5]);
  const [lesion] = lesionsOf(thick, maskOf(thick, few), AFFINE, null);
  assert.ok(close(lesion.ml, 0.18));
  assert.equal(lesion.side, "");
});

test("a lesion across the midline is on both sides", () => {
  const grid = plain([40, 40, 40]);
  const across = maskOf(grid, (...point) => (box([14, 10, 10], [25, 13, 12])(...point) ? 1 : 0));
  assert.equal(lesionsOf(grid, across, AFFINE, [0, 0, 0])[0].side, "both sides");
  const nearly = maskOf(grid, (...point) => (box([19, 10, 10], [38, 13, 12])(...point) ? 1 : 0));
  assert.equal(lesionsOf(grid, nearly, AFFINE, [0, 0, 0])[0].side, "right");
});
