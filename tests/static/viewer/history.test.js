import assert from "node:assert/strict";
import test from "node:test";

import { Stroke } from "../../../static/js/viewer/edit.js";
import { History } from "../../../static/js/viewer/history.js";

const draw = (history, data, place, value) => {
  const stroke = new Stroke(data);
  stroke.set(place, value);
  history.push(stroke.change);
};

test("changes are taken back and done again in order", () => {
  const [history, data] = [new History(), new Uint8Array(3)];
  [1, 2, 4].forEach((value) => draw(history, data, 1, value));
  assert.deepEqual([history.undo(data), data[1]].at(1), 2);
  history.undo(data);
  assert.equal(data[1], 1);
  history.redo(data);
  assert.deepEqual([data[1], history.length, history.undoable, history.redoable], [2, 2, true, true]);
});

test("a new change ends what could be done again", () => {
  const [history, data] = [new History(), new Uint8Array(3)];
  draw(history, data, 0, 1);
  history.undo(data);
  draw(history, data, 2, 4);
  assert.equal(history.redoable, false);
  assert.equal(history.redo(data), null);
  assert.deepEqual([...data], [0, 0, 4]);
});

test("an undo tells the change the other way round", () => {
  const [history, data] = [new History(), new Uint8Array(1)];
  draw(history, data, 0, 4);
  const { before, after } = history.undo(data);
  assert.deepEqual([[...before], [...after]], [[4], [0]]);
  assert.equal(history.undo(data), null);
});

test("only the last 200 can be taken back, and the others still count as changes", () => {
  const [history, data] = [new History(), new Uint8Array(300)];
  for (let n = 0; n < 230; n += 1) draw(history, data, n, 1);
  assert.equal(history.length, 230);
  while (history.undoable) history.undo(data);
  assert.equal(data.reduce((sum, value) => sum + value, 0), 30);
  assert.equal(history.length, 30);
});
