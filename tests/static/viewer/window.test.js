import assert from "node:assert/strict";
import test from "node:test";

import { dragged, greyTable, middleHalf, presetsOf, rescaled, statisticsOf } from "../../../static/js/viewer/window.js";
import { close, random } from "./grids.js";

/** Background, a head of 100 to 1099, and a lesion of 3000. */
function head(slope = 1, inter = 0) {
  const data = new Int16Array(4000);
  const mask = new Uint8Array(4000);
  for (let n = 0; n < 1000; n += 1) data[n] = 100 + n;
  for (let n = 1000; n < 1020; n += 1) [data[n], mask[n]] = [3000, 1];
  return [{ data, slope, inter }, mask];
}

const greyOf = ({ first, table }, stored) => table[stored - first] & 255;

test("statistics are of the head alone, in intensities", () => {
  const found = statisticsOf(...head(0.5, 10));
  assert.deepEqual([found.low, found.high], [10, 1510]);
  assert.equal(found.head.length, 1020);
  assert.equal(found.head[0], 60);
  assert.deepEqual([...new Set(found.lesion)], [1510]);
});

test("the lesion preset leaves the brightest of the lesion grey, the brain preset does not", () => {
  const [volume, mask] = head();
  const { lesion, brain, enhancing, full } = presetsOf(statisticsOf(volume, mask));
  assert.ok(greyOf(greyTable(volume, lesion), 3000) < 250);
  assert.equal(greyOf(greyTable(volume, brain), 3000), 255);
  // Half of the head is black.
  assert.equal(greyOf(greyTable(volume, enhancing), 500), 0);
  assert.ok(greyOf(greyTable(volume, enhancing), 1000) > 30);
  assert.deepEqual(full, [0, 3000]);
});

test("an empty or even volume has a window, too", () => {
  const volume = { data: new Int16Array(10), slope: 1, inter: 0 };
  const presets = presetsOf(statisticsOf(volume, new Uint8Array(10)));
  for (const [black, white] of Object.values(presets)) assert.ok(white > black);
});

test("grey runs from black to white, and stays at the ends", () => {
  for (const [Type, lowest] of [[Int16Array, -32768], [Uint8Array, 0], [Int8Array, -128], [Uint16Array, 0]]) {
    const table = greyTable({ data: new Type(1), slope: 2, inter: 0 }, [20, 220]);
    assert.equal(table.first, lowest);
    assert.equal(greyOf(table, 10), 0);
    assert.equal(greyOf(table, 62), 133);
    assert.equal(greyOf(table, 110), 255);
    assert.equal(greyOf(table, 127), 255);
    assert.equal(greyOf(table, Math.max(lowest, -100)), 0);
  }
});

test("to the right the window is wider, upwards all is brighter", () => {
  const [black, white] = dragged([100, 300], 200, 0, 1000);
  assert.ok(close(white - black, 200 * Math.E) && close((white + black) / 2, 200));
  const moved = dragged([100, 300], 0, -60, 1000);
  assert.ok(close(moved[0], 0) && close(moved[1], 200));
  // However far it is dragged, black stays below white.
  const narrow = dragged([100, 300], -1e5, 0, 1000);
  assert.ok(narrow[1] > narrow[0]);
});

test("an earlier examination gets the scale of the later one", () => {
  const next = random(3);
  const data = Int16Array.from({ length: 3000 }, () => 50 + next() * 900);
  data[0] = 0;
  const now = { data, slope: 1, inter: 0 };
  const prior = { data: data.map((value) => value * 3 + (value ? 40 : 0)), slope: 1, inter: 0 };
  const [own, wanted] = [prior, now].map((volume) => middleHalf(statisticsOf(volume, new Uint8Array(3000))));
  const found = rescaled(prior, own, wanted);
  for (let n = 1; n < 3000; n += 1) assert.ok(close(found.data[n] * found.slope + found.inter, data[n], 0.02));
  assert.equal(found.data, prior.data);
});

test("a volume without a range stays as it is", () => {
  const volume = { data: new Int16Array(3), slope: 2, inter: 5 };
  assert.equal(rescaled(volume, [4, 4], [1, 2]), volume);
  assert.equal(rescaled(volume, [4, 8], [2, 2]), volume);
});
