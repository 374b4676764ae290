// The confidence map of the 3-D viewer: it colours where the model was uncertain, as the rendered slices do.

import { cmapper } from "../../vendor/niivue.js";

const NAME = "uncertainty";
// NiiVue draws a voxel of an overlay in full or not at all. So the first fifth of the scale, where the
// model was almost certain, is left clear; in the rendered slices it fades in.
const CLEAR = 51;
const STEPS = [0, CLEAR, CLEAR + 1, 255];
const channel = (colour, at) => parseInt(colour.slice(1 + 2 * at, 3 + 2 * at), 16);

export class Uncertainty {
  #truth;

  /**
   * `image` holds probabilities. `colours` are those of the lowest and the highest uncertainty; the highest
   * begins at the probability `from`.
   */
  constructor(image, { colours, from }) {
    this.#truth = image;
    this.image = image.clone();
    this.image.name = NAME;
    // Inverted, because NiiVue leaves the low end of a scale clear.
    for (let at = 0; at < image.img.length; at += 1) this.image.img[at] = 255 - image.img[at];
    const between = (at) => STEPS.map((step) => {
      const [low, high] = colours.map((colour) => channel(colour, at));
      return low + (high - low) * step / 255;
    });
    cmapper.addColormap(NAME, {
      R: between(0), G: between(1), B: between(2), A: STEPS.map((step) => (step > CLEAR ? 255 : 0)), I: STEPS,
    });
    this.image.colormap = NAME;
    [this.image.cal_min, this.image.cal_max] = [0, 1 - from];
  }

  /** The probability at a point in mm. */
  at(mm) {
    return this.#truth.getValue(...this.#truth.mm2vox([...mm]));
  }
}
