// The picture area of the 3-D viewer: one pane, or one for each sequence, all looking at one point.

import { element } from "../dom.js";
import { LAYOUTS } from "./address.js";
import { Library, placedAs } from "./library.js";
import { Mask } from "./mask.js";
import { Pane } from "./pane.js";
import { Uncertainty } from "./uncertainty.js";

const LAYOUT_TITLES = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal", render: "3-D" };

export class Stage {
  #area;
  #library;
  #regions;
  #titles;
  #uncertaintyScale;
  #mask = null;
  #uncertainty = null;
  #showsUncertainty = false;
  #cells = [];
  #wanted = null;
  #working = null;
  #following = false;
  #events;

  /**
   * A stage in `area`. `events.onView({camera, pan, indices})` when somebody turned, zoomed or
   * pointed; `onWindow(modality, limits)` after a drag; `onPlane(plane)` under the pointer.
   */
  constructor(area, { urls, regions, titles, uncertaintyScale, events }) {
    this.#area = area;
    this.#library = new Library(urls);
    this.#regions = regions;
    this.#titles = titles;
    this.#uncertaintyScale = uncertaintyScale;
    this.#events = events;
  }

  /** Show a view `{modalities, layout, look, windowOf, camera, pan}`. Of several requests, the last counts. */
  show(view) {
    this.#wanted = view;
    this.#area.dataset.busy = "true";
    this.#working ??= this.#work();
    return this.#working;
  }

  /** What there is at the crosshair of the first pane: `{mm, modality, intensity, region, confidence}`. */
  get reading() {
    const { pane, modality } = this.#cells[0];
    const { mm, intensity } = pane.reading;
    const confidence = this.#showsUncertainty ? this.#uncertainty.at(mm) : undefined;
    return { mm, modality, intensity, region: this.#mask.regionAt(mm), confidence };
  }

  /** A pen in the first pane, beginning with the mask as it is. */
  pen(onStroke) {
    return this.#cells[0].pane.pen(this.#mask.whole, onStroke);
  }

  /** The canvases and the nodes around them, drawn just now. */
  pictures() {
    return this.#cells.map(({ pane, node }) => ({ canvas: pane.picture(), node }));
  }

  async #work() {
    try {
      while (this.#wanted) {
        const view = this.#wanted;
        this.#wanted = null;
        await this.#fulfil(view);
      }
    } finally {
      this.#working = null;
      this.#area.dataset.busy = "false";
    }
  }

  async #fulfil(view) {
    // Panes first: they also set how much NiiVue logs while it reads volumes.
    await this.#provide(view.modalities.length);
    const { look } = view;
    const [scans, mask, confidence] = await Promise.all([
      Promise.all(view.modalities.map((modality) => this.#library.scan(modality))),
      this.#library.mask(),
      look.confidence ? this.#library.confidence() : null,
    ]);
    this.#mask ??= new Mask(placedAs(scans[0].image, mask), this.#regions);
    this.#mask.look({ ...look, outline: look.outline || look.confidence });
    if (confidence) this.#uncertainty ??= new Uncertainty(confidence, this.#uncertaintyScale);
    this.#showsUncertainty = look.confidence;
    this.#following = true;
    view.modalities.forEach((modality, at) => this.#draw(this.#cells[at], modality, scans[at], view));
    this.#following = false;
  }

  #draw(cell, modality, { image, presets }, view) {
    cell.modality = modality;
    cell.limits = view.windowOf(modality, presets);
    const many = view.modalities.length > 1;
    cell.pane.show({
      image, limits: cell.limits, mask: this.#mask,
      uncertainty: view.look.confidence ? this.#uncertainty : null, uncertaintyOpacity: view.look.opacity,
      layout: view.layout, crosshair: view.look.crosshair, camera: view.camera, pan: view.pan, indices: view.look.index,
    });
    const shown = view.layout === LAYOUTS[0] ? Object.values(LAYOUT_TITLES) : [LAYOUT_TITLES[view.layout]];
    cell.node.classList.toggle("four", view.layout === LAYOUTS[0]);
    cell.titles.replaceChildren(...(many ? [this.#titles[modality]] : shown).map((title) => element("span", {}, title)));
    cell.pane.canvas.setAttribute("aria-label", `${this.#titles[modality]}, ${shown.join(", ")}`);
  }

  /** Have exactly `count` panes. */
  async #provide(count) {
    while (this.#cells.length > count) {
      const { pane, node } = this.#cells.pop();
      pane.dispose();
      node.remove();
    }
    while (this.#cells.length < count) await this.#add();
    this.#area.dataset.panes = count;
  }

  async #add() {
    const canvas = element("canvas", { role: "img" });
    const titles = element("div", { class: "pane-titles", "aria-hidden": "true" });
    const node = element("div", { class: "pane" }, canvas, titles);
    this.#area.append(node);
    const pane = new Pane(canvas, (drawn) => this.#share(drawn));
    await pane.start();
    this.#cells.push({ node, titles, pane });
    canvas.addEventListener("pointermove", (event) => {
      const plane = pane.planeAt(event);
      if (plane) this.#events.onPlane(plane);
    });
    canvas.addEventListener("webglcontextlost", () => {
      // A pane that was removed has released its context itself.
      if (this.#cells.some((cell) => cell.pane === pane)) this.#events.onLost();
    });
  }

  /** A pane was drawn: the others follow it, and the page hears of what changed by hand. */
  #share(drawn) {
    if (this.#following) return;
    this.#following = true;
    const { camera, pan, indices } = drawn;
    for (const { pane } of this.#cells) if (pane !== drawn) pane.follow({ camera, pan, indices });
    this.#following = false;
    this.#events.onView({ camera, pan, indices });
    const cell = this.#cells.find(({ pane }) => pane === drawn);
    const { limits } = drawn;
    if (limits.some((value, at) => value !== cell.limits[at])) {
      cell.limits = limits;
      this.#events.onWindow(cell.modality, limits);
    }
  }
}
