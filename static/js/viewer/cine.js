// Playing through the slices.

const SLICES_PER_S = 12;

/** Calls `step()` at an even pace until it is stopped; `onChange(playing)` tells the button. */
export class Cine {
  #step;
  #onChange;
  #timer = 0;

  constructor(step, onChange) {
    this.#step = step;
    this.#onChange = onChange;
  }

  toggle() {
    if (this.#timer) this.stop();
    else {
      this.#timer = setInterval(this.#step, 1000 / SLICES_PER_S);
      this.#onChange(true);
    }
  }

  stop() {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#onChange(false);
  }
}
