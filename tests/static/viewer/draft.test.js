import assert from "node:assert/strict";
import test from "node:test";

import { difference } from "../../../static/js/viewer/draft.js";

test("a draft holds what differs from the mask it began with, and no more", () => {
  const [begun, drawn] = [Uint8Array.of(0, 1, 2, 4), Uint8Array.of(0, 4, 2, 0)];
  const { places, values } = difference(drawn, begun);
  assert.deepEqual([[...places], [...values]], [[1, 3], [4, 0]]);
  assert.equal(difference(begun, begun).places.length, 0);
});
