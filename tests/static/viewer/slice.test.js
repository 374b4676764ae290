import assert from "node:assert/strict";
import test from "node:test";

import { AXES, PLANES } from "../../../static/js/viewer/geometry.js";
import { boxAbove, layoutOf, outlines, paintChange, paintGrey, paintTable } from "../../../static/js/viewer/slice.js";
import { at, gridOf } from "../../../static/js/viewer/volume.js";
import { ORIENTATIONS, maskOf, plain } from "./grids.js";

const SHAPE = [2, 3, 4];
const code = (i, j, k) => 1 + i + 10 * j + 60 * k;

test("slices of all orientations show the same, with both axes against the index", () => {
  for (const orientation of ORIENTATIONS) {
    const grid = gridOf(orientation.map(([axis]) => SHAPE[axis]), orientation, [1, 1, 1]);
    const data = maskOf(grid, code);
    for (const plane of PLANES) {
      const [across, down, through] = AXES[plane];
      const layout = layoutOf(plane, 1, grid);
      assert.deepEqual([layout.width, layout.height], [SHAPE[across], SHAPE[down]]);
      const pixels = new Uint32Array(layout.width * layout.height);
      paintTable(pixels, layout, data, Uint32Array.from({ length: 256 }, (_, value) => value));
      for (let y = 0; y < layout.height; y += 1) {
        for (let x = 0; x < layout.width; x += 1) {
          const point = [0, 0, 0];
          [point[across], point[down], point[through]] = [SHAPE[across] - 1 - x, SHAPE[down] - 1 - y, 1];
          assert.equal(pixels[x + y * layout.width], code(...point));
        }
      }
    }
  }
});

test("grey is looked up from the lowest stored value on", () => {
  const grid = plain([2, 1, 1]);
  const pixels = new Uint32Array(2);
  paintGrey(pixels, layoutOf("axial", 0, grid), { data: Int8Array.of(-1, 1) }, { first: -2, table: Uint32Array.of(5, 6, 7, 8) });
  assert.deepEqual([...pixels], [8, 6]);
});

test("gained and lost are of the values that are shown", () => {
  const grid = plain([4, 1, 1]);
  const pixels = new Uint32Array(4);
  const change = { before: Uint8Array.of(0, 4, 4, 2), gained: 7, lost: 9 };
  paintChange(pixels, layoutOf("axial", 0, grid), Uint8Array.of(4, 0, 1, 0), change, new Set([1, 4]));
  // From the patient's right: edema is not shown, core became of enhancing, lost, gained.
  assert.deepEqual([...pixels], [0, 0, 9, 7]);
});

test("an outline runs around each label, along the edges of its pixels", () => {
  const grid = plain([5, 4, 1]);
  const data = maskOf(grid, (i, j) => (i === 2 && j === 1 ? 1 : i === 3 && j === 1 ? 2 : 0));
  const found = outlines(layoutOf("axial", 0, grid), data, () => true);
  assert.deepEqual([...found.keys()].sort(), [1, 2]);
  for (const runs of found.values()) assert.equal(runs.length, 4);
  const around = new Set(found.get(1).map(String));
  for (const run of ["2,2,3,2", "2,3,3,3", "2,2,2,3", "3,2,3,3"]) assert.ok(around.has(run), run);
  // What is hidden is not outlined.
  assert.deepEqual([...outlines(layoutOf("axial", 0, grid), data, (value) => value === 2).keys()], [2]);
});

test("a label at the border of the picture is closed", () => {
  const grid = plain([3, 3, 1]);
  const runs = outlines(layoutOf("axial", 0, grid), maskOf(grid, () => 1), () => true).get(1);
  assert.equal(runs.length, 12);
});

test("the box of the head is found in every orientation", () => {
  for (const orientation of ORIENTATIONS) {
    const grid = gridOf(orientation.map(([axis]) => [6, 8, 9][axis]), orientation, [1, 1, 1]);
    const data = new Int16Array(6 * 8 * 9).fill(5);
    data[at(grid, 1, 2, 3)] = 9;
    data[at(grid, 4, 6, 7)] = 9;
    assert.deepEqual(boxAbove(grid, data, 5, 1), { low: [1, 2, 3], high: [4, 6, 7] });
    assert.deepEqual(boxAbove(grid, data, 9, 1), { low: [0, 0, 0], high: [5, 7, 8] });
  }
});
