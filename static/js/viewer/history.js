// What was changed in a mask, in order: taken back and done again.

import { write } from "./edit.js";

// Changes that can be taken back. Older ones stay in the mask.
const KEPT = 200;

export class History {
  #done = [];
  #undone = [];
  #forgotten = 0;

  /** How many changes are in the mask. */
  get length() { return this.#done.length + this.#forgotten; }

  get undoable() { return this.#done.length > 0; }

  get redoable() { return this.#undone.length > 0; }

  push(change) {
    this.#undone = [];
    this.#done.push(change);
    if (this.#done.length > KEPT) {
      this.#done.shift();
      this.#forgotten += 1;
    }
  }

  /** Take the last change back; returns it with before and after exchanged, null if there is none. */
  undo(data) {
    const change = this.#done.pop();
    if (!change) return null;
    this.#undone.push(change);
    write(data, change.places, change.before);
    return { ...change, before: change.after, after: change.before };
  }

  redo(data) {
    const change = this.#undone.pop();
    if (!change) return null;
    this.#done.push(change);
    write(data, change.places, change.after);
    return change;
  }
}
