// An earlier case of the same patient on the grid of the current one. The server registers it when it is first wanted.

import { fetchJson } from "../transfer.js";
import { middleHalf, rescaled, statisticsOf } from "./window.js";

const AGAIN = "Choose the layout again to try once more.";

export class Prior {
  #library;
  #registering = null;
  #volumes = {};

  mask = null;
  /** mL that were gained and lost since, by region. */
  changes = null;

  /** `data` is what the page says of it: {id, name, day, register, volumes, mask}. */
  constructor(data, library) {
    Object.assign(this, { id: data.id, name: data.name, day: data.day, data });
    this.#library = library;
  }

  has(modality) { return modality in this.data.volumes; }

  volumeOf(modality) { return this.#volumes[modality] ?? null; }

  /** Have it registered, and fetch a sequence if it has it, as bright as the current case, whose middle half `head` is. */
  async load(modality, head) {
    this.#registering ??= fetchJson(this.data.register, { method: "POST" }, AGAIN);
    try {
      this.changes = (await this.#registering).subtraction.regions;
      this.mask ??= await this.#library.get(this.data.mask);
    } catch (error) {
      this.#registering = null;
      throw error;
    }
    if (this.#volumes[modality] || !this.has(modality)) return;
    const volume = await this.#library.get(this.data.volumes[modality]);
    this.#volumes[modality] = rescaled(volume, middleHalf(statisticsOf(volume, this.mask.data)), head);
  }
}
