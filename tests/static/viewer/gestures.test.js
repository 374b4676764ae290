import assert from "node:assert/strict";
import test from "node:test";

import { Wheel } from "../../../static/js/viewer/gestures.js";

const turn = (wheel, deltaY, deltaMode = 0) => wheel.slices({ deltaY, deltaMode });

test("a notch is one slice, whatever its size", () => {
  const wheel = new Wheel();
  for (const size of [50, 53, 100, 120, 400]) {
    assert.equal(turn(wheel, size), 1);
    assert.equal(turn(wheel, -size), -1);
  }
  assert.equal(turn(wheel, 3, 1), 1);
});

test("small turns add up, and turning back counts back", () => {
  const wheel = new Wheel();
  const found = Array.from({ length: 20 }, () => turn(wheel, 5));
  assert.equal(found.reduce((sum, value) => sum + value, 0), 2);
  for (let n = 0; n < 9; n += 1) assert.equal(Math.abs(turn(wheel, -5)), 0);
  assert.equal(turn(wheel, -5), -1);
});

test("a notch ends what was added up", () => {
  const wheel = new Wheel();
  turn(wheel, 45);
  turn(wheel, 100);
  assert.equal(turn(wheel, 45), 0);
});
