// The case's volumes as images of NiiVue. Each is fetched once, when it is first needed.

import { NVImage } from "../../vendor/niivue.js";
import { presetsOf } from "./window.js";

async function fetchImage(url, name) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${name} could not be loaded (${answer.status}).`);
  return NVImage.loadFromUrl({ url: await answer.arrayBuffer(), name });
}

/**
 * Place a mask where NiiVue places the scan. A NIfTI header can hold two placings, the sform and the qform. A mask
 * has both from the uploaded file, and NiiVue might use another one than the server. Scans are sent with the one
 * that the server uses, so the mask takes it from the scan.
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

  /** The image of the mask, with the values in the file. */
  mask() {
    return this.#once("mask", () => fetchImage(this.#urls.mask, "mask.nii.gz"));
  }

  /** The probability that the model gave its choice, by voxel. */
  confidence() {
    return this.#once("confidence", () => fetchImage(this.#urls.confidence, "confidence.nii.gz"));
  }

  #once(key, load) {
    if (!this.#loading.has(key)) {
      const loading = load();
      this.#loading.set(key, loading);
      // A failure is not kept, so that the next request tries again.
      loading.catch(() => this.#loading.delete(key));
    }
    return this.#loading.get(key);
  }
}
