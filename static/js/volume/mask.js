// The mask as it is drawn. Regions come from the label table of the server, and are found by the
// values of both BraTS conventions, so that a mask of either shows the same.

import { cmapper } from "../../vendor/niivue.js";

// NIFTI_INTENT_LABEL makes NiiVue draw labels, with outlines if asked, instead of a colour scale.
const INTENT_LABEL = 1002;

const channel = (colour, at) => parseInt(colour.slice(1 + 2 * at, 3 + 2 * at), 16);

/** The table of NiiVue: colours by value in the file; `alphaOf(region)` is 0 to 255. */
export function colourTable(regions, alphaOf) {
  const entries = regions.flatMap((region) => region.values.map((value) => ({ ...region, value })));
  const of = (at) => [0, ...entries.map(({ colour }) => channel(colour, at))];
  return {
    I: [0, ...entries.map(({ value }) => value)],
    R: of(0), G: of(1), B: of(2),
    A: [0, ...entries.map(alphaOf)],
  };
}

/** The title of the region with a value in the file; null for none. */
export function regionOf(regions, value) {
  return regions.find(({ values }) => values.includes(value))?.title ?? null;
}

export class Mask {
  #truth;
  #regions;
  #drawn = "";
  /** Grows by one whenever the picture of the mask changes. */
  version = 0;

  constructor(image, regions) {
    this.#truth = image;
    this.#regions = regions;
    this.image = image.clone();
    this.image.name = "mask";
    this.image.hdr.intent_code = INTENT_LABEL;
  }

  /** Take over which regions are drawn, and how. NiiVue outlines every label, so hidden regions are removed from the picture. */
  look({ regions, opacity, outline }) {
    const wanted = JSON.stringify([regions, opacity, outline]);
    if (wanted === this.#drawn) return;
    this.#drawn = wanted;
    this.version += 1;
    const shown = new Set(this.#regions.filter(({ key }) => regions.includes(key)).flatMap(({ values }) => values));
    const { img } = this.#truth;
    for (let at = 0; at < img.length; at += 1) this.image.img[at] = shown.has(img[at]) ? img[at] : 0;
    this.image.colormapLabel = cmapper.makeLabelLut(colourTable(this.#regions, () => (outline ? 0 : 255)));
    this.image.opacity = opacity;
    this.outline = outline ? opacity : 0;
  }

  /** The whole mask, hidden regions too. */
  get whole() { return this.#truth; }

  /** The title of the region at a point in mm, hidden or not; null outside. */
  regionAt(mm) {
    const [x, y, z] = this.#truth.mm2vox([...mm]);
    return regionOf(this.#regions, Math.round(this.#truth.getValue(x, y, z)));
  }
}
