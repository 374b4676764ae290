// The case's volumes as NiiVue holds them: each is fetched once, when it is first wanted.

import { NVImage } from "../../vendor/niivue.js";
import { presetsOf } from "./window.js";

async function fetchImage(url, name) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${name} could not be loaded (${answer.status}).`);
  return NVImage.loadFromUrl({ url: await answer.arrayBuffer(), name });
}

/**
 * A mask where NiiVue puts the scan: of the two forms in the header of an uploaded file, which a mask
 * has, too, it might go by another than the server, which writes scans for it by the one it goes by.
 */
export function placedAs(scan, mask) {
  mask.hdr.affine = structuredClone(scan.hdr.affine);
  mask.calculateRAS();
  return mask;
}

export class Library {
  #urls;
  #loading = new Map();

  constructor(urls) {
    this.#urls = urls;
  }

  /** The sequence `{image, presets}`; the same promise for the same modality. */
  scan(modality) {
    return this.#once(modality, async () => {
      const image = await fetchImage(this.#urls.volumes[modality], `${modality}.nii.gz`);
      return { image, presets: presetsOf(image) };
    });
  }

  /** The mask's image, with the values of the file. */
  mask() {
    return this.#once("mask", () => fetchImage(this.#urls.mask, "mask.nii.gz"));
  }

  /** Probabilities of the model's choice. */
  confidence() {
    return this.#once("confidence", () => fetchImage(this.#urls.confidence, "confidence.nii.gz"));
  }

  #once(key, load) {
    if (!this.#loading.has(key)) {
      const loading = load();
      this.#loading.set(key, loading);
      // A failure is not kept, so that the next wish tries again.
      loading.catch(() => this.#loading.delete(key));
    }
    return this.#loading.get(key);
  }
}
