// Work that waits until the reader pauses, so that it never stands between a key and its slice.

export class Idle {
  #work;
  #quietMs;
  #timer = 0;
  #wanted = false;
  #running = false;

  /** Calls `work()`, which never rejects, once nothing has happened for `quietMs`; never twice at a time. */
  constructor(work, quietMs) {
    this.#work = work;
    this.#quietMs = quietMs;
  }

  /** The work is to be done. */
  want() {
    this.#wanted = true;
    this.postpone();
  }

  /** Something happens: what is to be done waits on. */
  postpone() {
    if (!this.#wanted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), this.#quietMs);
  }

  async #run() {
    if (this.#running) {
      this.postpone();
      return;
    }
    this.#wanted = false;
    this.#running = true;
    await this.#work();
    this.#running = false;
  }
}
