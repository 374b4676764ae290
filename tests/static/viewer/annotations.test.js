import assert from "node:assert/strict";
import test from "node:test";

import { ellipseStatistics, handleAt, measured, pairOf } from "../../../static/js/viewer/annotations.js";
import { close, maskOf, plain } from "./grids.js";

const GRID = plain([20, 20, 20], [0.5, 1, 2]);
const volume = { data: maskOf(GRID, (i) => i), slope: 2, inter: 1 };
const item = (kind, points, more = {}) => ({ kind, points, plane: "axial", slice: 3, text: "", ...more });

test("a ruler is as long as its millimetres", () => {
  assert.equal(measured(item("ruler", [[2, 3, 3], [8, 7, 3]]), GRID, null), "5.0 mm");
});

test("an angle is told once it has both arms", () => {
  const points = [[2, 0, 3], [0, 0, 3], [0, 1, 3]];
  assert.equal(measured(item("angle", points.slice(0, 2)), GRID, null), "");
  assert.equal(measured(item("angle", points), GRID, null), "90.0°");
});

test("RANO lines have a product", () => {
  const points = [[0, 0, 3], [20, 0, 3], [5, 0, 3], [5, 5, 3]];
  assert.equal(measured(item("rano", points), GRID, null), "10.0 × 5.0 mm = 50 mm²");
});

test("an arrow says what was written", () => {
  assert.equal(measured(item("arrow", [[0, 0, 3], [1, 1, 3]], { text: "new" }), GRID, null), "new");
});

test("an ellipse has mean, range and area of what lies within", () => {
  const found = ellipseStatistics(item("ellipse", [[4, 4, 3], [12, 10, 3]]), GRID, volume);
  // Symmetric about i = 8, which ramps from 4 to 12.
  assert.ok(close(found.mean, 17));
  assert.deepEqual([found.low, found.high], [9, 25]);
  // Half axes of 2 mm and 3 mm.
  assert.ok(close(found.area, (Math.PI * 2 * 3) / 100));
  const corner = ellipseStatistics(item("ellipse", [[4, 4, 3], [5, 8, 3]]), GRID, volume);
  assert.ok(corner.low >= 9 && corner.high <= 11);
});

test("an ellipse in each plane reads the voxels of its slice", () => {
  const depth = { data: maskOf(GRID, (i, j, k) => 10 * k), slope: 1, inter: 0 };
  const { low, high } = ellipseStatistics(item("ellipse", [[4, 4, 7], [12, 10, 7]], { slice: 7 }), GRID, depth);
  assert.deepEqual([low, high], [70, 70]);
  const coronal = item("ellipse", [[4, 6, 2], [12, 6, 9]], { plane: "coronal", slice: 6 });
  const found = ellipseStatistics(coronal, GRID, depth);
  assert.deepEqual([found.low, found.high], [20, 90]);
});

test("an ellipse outside the volume measures nothing", () => {
  assert.equal(ellipseStatistics(item("ellipse", [[-9, -9, 3], [-5, -5, 3]]), GRID, volume), null);
  assert.equal(measured(item("ellipse", [[-9, -9, 3], [-5, -5, 3]]), GRID, volume), "");
});

test("every second ruler of a slice makes a pair with the one before", () => {
  const [a, b, elsewhere, c] = [
    item("ruler", [[0, 0, 3], [20, 0, 3]]), item("ruler", [[0, 0, 3], [0, 4, 3]]),
    item("ruler", [[0, 0, 5], [0, 9, 5]], { slice: 5 }), item("ruler", [[0, 0, 3], [0, 1, 3]]),
  ];
  const items = [a, elsewhere, b, c];
  assert.equal(pairOf(items, a, GRID), null);
  assert.deepEqual(pairOf(items, b, GRID), { longest: 10, shortest: 4, product: 40 });
  assert.equal(pairOf(items, c, GRID), null);
  assert.equal(pairOf(items, elsewhere, GRID), null);
});

test("the handle under the pointer is that of the item on top", () => {
  const [below, above] = [item("ruler", [[0, 0, 3], [50, 0, 3]]), item("ruler", [[52, 0, 3], [90, 0, 3]])];
  const toPixels = ([x, y]) => ({ x, y });
  assert.equal(handleAt([below, above], { x: 51, y: 2 }, toPixels).item, above);
  const found = handleAt([below, above], { x: 42, y: 0 }, toPixels);
  assert.deepEqual([found.item, found.handle], [below, 1]);
  assert.equal(handleAt([below, above], { x: 20, y: 0 }, toPixels), null);
});
