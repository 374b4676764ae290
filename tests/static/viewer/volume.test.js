import assert from "node:assert/strict";
import test from "node:test";

import { at, compressed, gridOf, inside, intensity, parseNifti, pointAt } from "../../../static/js/viewer/volume.js";
import { ORIENTATIONS, each, plain } from "./grids.js";

/** A NIfTI file with the voxels 0, 1, 2 ... */
function file({ dims = [2, 3, 4], type = 4, start = 352, slope = 0, inter = 0 } = {}) {
  const count = dims[0] * dims[1] * dims[2];
  const view = new DataView(new ArrayBuffer(start + 2 * count));
  view.setInt32(0, 348, true);
  dims.forEach((length, n) => view.setInt16(42 + 2 * n, length, true));
  view.setInt16(70, type, true);
  view.setFloat32(108, start, true);
  view.setFloat32(112, slope, true);
  view.setFloat32(116, inter, true);
  for (let n = 0; n < count; n += 1) view.setInt16(start + 2 * n, n, true);
  return view.buffer;
}

test("voxels of all 48 orientations are found, and found back", () => {
  const shape = [2, 3, 4];
  for (const orientation of ORIENTATIONS) {
    const dims = orientation.map(([axis]) => shape[axis]);
    const grid = gridOf(dims, orientation, [1, 1, 1]);
    assert.deepEqual(grid.shape, shape);
    const seen = new Set();
    each(grid, (...point) => {
      // The obvious way: the index along each of the file's axes, then the place in its order.
      const index = orientation.map(([axis, direction]) => (direction > 0 ? point[axis] : shape[axis] - 1 - point[axis]));
      const place = index[0] + dims[0] * (index[1] + dims[1] * index[2]);
      assert.equal(at(grid, ...point), place);
      assert.deepEqual(pointAt(grid, place), point);
      seen.add(place);
    });
    assert.equal(seen.size, 24);
  }
});

test("a file is read with its scale", () => {
  const volume = parseNifti(file({ slope: 0.5, inter: 3 }));
  assert.deepEqual(volume.dims, [2, 3, 4]);
  assert.deepEqual([...volume.data], Array.from({ length: 24 }, (_, n) => n));
  assert.equal(intensity(volume, plain([2, 3, 4]), [1, 0, 0]), 3.5);
  // No slope means one.
  assert.equal(parseNifti(file()).slope, 1);
});

test("voxels may begin anywhere", () => {
  assert.equal(parseNifti(file({ start: 353 })).data[23], 23);
});

test("what is no file, or cut off, is refused", () => {
  assert.throws(() => parseNifti(new ArrayBuffer(100)), /no NIfTI/);
  assert.throws(() => parseNifti(new ArrayBuffer(400)), /no NIfTI/);
  assert.throws(() => parseNifti(file().slice(0, 380)), /cannot be read/);
  assert.throws(() => parseNifti(file({ type: 64 })), /cannot be read/);
});

test("a changed mask keeps the header of its file", async () => {
  const volume = parseNifti(file());
  const packed = await compressed(volume, volume.data.map((value) => value + 1));
  const inflated = packed.stream().pipeThrough(new DecompressionStream("gzip"));
  const again = parseNifti(await new Response(inflated).arrayBuffer());
  assert.equal(again.data[23], 24);
  assert.deepEqual(new Uint8Array(again.head), new Uint8Array(volume.head));
});

test("inside means inside on every axis", () => {
  const grid = plain([2, 3, 4]);
  assert.ok(inside(grid, [1, 2, 3]) && inside(grid, [0, 0, 0]));
  for (const point of [[2, 0, 0], [0, 3, 0], [0, 0, 4], [-1, 0, 0]]) assert.ok(!inside(grid, point));
});
