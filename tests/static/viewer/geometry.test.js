import assert from "node:assert/strict";
import test from "node:test";

import { AXES, PLANES, angle, barLength, distance, fitting, fromPixels, fromPlane, placing, rounded, toPixels, toPlane } from "../../../static/js/viewer/geometry.js";
import { close, plain } from "./grids.js";

const GRID = plain([10, 20, 30], [2, 1, 0.5]);

test("a picture is radiological: right, anterior and superior are left or at the top", () => {
  // The voxel furthest to the right, front and top has its centre half a voxel from the left and upper edge.
  const corner = [9, 19, 29];
  assert.deepEqual(toPlane("axial", corner, GRID), { x: 1, y: 0.5 });
  assert.deepEqual(toPlane("coronal", corner, GRID), { x: 1, y: 0.25 });
  assert.deepEqual(toPlane("sagittal", corner, GRID), { x: 0.5, y: 0.25 });
  assert.deepEqual(toPlane("axial", [0, 0, 0], GRID), { x: 19, y: 19.5 });
});

test("a point comes back from picture and pane", () => {
  for (const plane of PLANES) {
    const point = [3.25, 17.5, 8];
    const through = AXES[plane][2];
    const back = fromPlane(plane, toPlane(plane, point, GRID), point[through], GRID);
    back.forEach((value, axis) => assert.ok(close(value, point[axis])));
    const place = placing(plane, { width: 300, height: 200 }, { scale: 3, centre: [4, 9, 14] }, GRID);
    const { x, y } = fromPixels(place, toPixels(place, { x: 7, y: 11 }));
    assert.ok(close(x, 7) && close(y, 11));
  }
});

test("the centre stands in the middle of the pane, and a millimetre is `scale` pixels", () => {
  const place = placing("coronal", { width: 300, height: 200 }, { scale: 3, centre: [4, 9, 14] }, GRID);
  assert.deepEqual(toPixels(place, toPlane("coronal", [4, 9, 14], GRID)), { x: 150, y: 100 });
  // One voxel to the left of the patient: 2 mm, 6 pixels to the right of the picture.
  assert.deepEqual(toPixels(place, toPlane("coronal", [3, 9, 14], GRID)), { x: 156, y: 100 });
});

test("points are rounded to voxels that there are", () => {
  assert.deepEqual(rounded([-3, 4.6, 99], GRID), [0, 5, 29]);
});

test("distances and angles are of millimetres, not of voxels", () => {
  assert.equal(distance([0, 0, 0], [2, 3, 0], GRID), 5);
  assert.equal(distance([0, 0, 0], [0, 0, 8], GRID), 4);
  assert.ok(close(angle([2, 0, 0], [0, 0, 0], [0, 3, 0], GRID), 90));
  // 4 mm across and 4 mm up.
  assert.ok(close(angle([2, 0, 0], [0, 0, 0], [2, 4, 0], GRID), 45));
  assert.ok(close(angle([1, 0, 0], [0, 0, 0], [-1, 0, 0], GRID), 180));
  assert.equal(Number.isFinite(angle([0, 0, 0], [0, 0, 0], [1, 0, 0], GRID)), true);
});

test("one scale fits the head into every pane", () => {
  const panes = [{ plane: "axial", width: 124, height: 224 }, { plane: "sagittal", width: 1024, height: 1024 }];
  const box = { low: [0, 0, 0], high: [9, 19, 29] };
  // 20 mm on 100 pixels, 20 mm on 200; the sagittal pane has room for more.
  assert.equal(fitting(panes, box, GRID), 5);
  assert.equal(fitting(panes.slice(1), box, GRID), 50);
});

test("a scale bar is as long as there is room, in round numbers", () => {
  assert.equal(barLength(3, 110), 20);
  assert.equal(barLength(2, 110), 50);
  assert.equal(barLength(40, 110), 2);
  assert.equal(barLength(5000, 110), 0.1);
});
