import assert from "node:assert/strict";
import test from "node:test";

import { Idle } from "../../../static/js/viewer/idle.js";

const QUIET_MS = 50;

/** An `Idle` on a clock of the test; `pass(ms)` lets time go by. */
function made({ mock }, work) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const pass = async (ms) => {
    mock.timers.tick(ms);
    for (let n = 0; n < 5; n += 1) await Promise.resolve();
  };
  return { idle: new Idle(work, QUIET_MS), pass };
}

test("work waits for a pause, and is done once", async (t) => {
  let done = 0;
  const { idle, pass } = made(t, async () => { done += 1; });
  idle.want();
  for (let n = 0; n < 10; n += 1) {
    await pass(QUIET_MS - 10);
    idle.postpone();
  }
  assert.equal(done, 0);
  await pass(QUIET_MS);
  assert.equal(done, 1);
  idle.postpone();
  await pass(10 * QUIET_MS);
  assert.equal(done, 1);
});

test("what is wanted while it works is done afterwards, never at the same time", async (t) => {
  const ends = [];
  const { idle, pass } = made(t, () => new Promise((end) => ends.push(end)));
  idle.want();
  await pass(QUIET_MS);
  idle.want();
  await pass(3 * QUIET_MS);
  assert.equal(ends.length, 1);
  ends[0]();
  await pass(0);
  await pass(QUIET_MS);
  assert.equal(ends.length, 2);
});
