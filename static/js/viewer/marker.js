// Drawing rulers, angles, ellipses and arrows by hand, moving their ends, and keeping them with the case. The model's
// RANO lines can be moved, too; they then become the reader's.

import { element, part } from "../dom.js";
import { fetchJson } from "../transfer.js";
import { POINTS, TITLES, handleAt, measured, pairOf } from "./annotations.js";

const SAVE_DELAY_MS = 300;
const COLOUR = "#8ee3ff";
const RANO_COLOUR = "#ffffff";
const NOT_SAVED = "They are not saved yet: they will be sent again with the next one.";
// A press that moves less than this draws nothing.
const LEAST_MM = 0.5;

export class Marker {
  #node;
  #data;
  #host;
  #items = [];
  #model;
  #selected = null;
  #drag = null;
  #pending = null;
  #timer = 0;

  /**
   * `node` lists what was drawn; `host` has grid, volumeOf(modality), onChange(), jump(item), and modality().
   */
  constructor(node, data, host) {
    this.#node = node;
    this.#data = data;
    this.#host = host;
    const { rano } = data;
    this.#model = rano && {
      id: "rano-model", kind: "rano", plane: "axial", slice: rano.slice, points: [...rano.longest_ends, ...rano.perpendicular_ends], text: "",
    };
  }

  async load() {
    const { items } = await fetchJson(this.#data.annotations, {}, "Reload the page.");
    this.#items = items;
    this.#list();
  }

  /** What is drawn in a slice of a pane. The model's own lines belong to the enhancing tumour. */
  marksFor({ plane, modality }, slice, enhancing) {
    const model = enhancing && !this.#items.some(({ kind }) => kind === "rano") ? this.#model : null;
    const volume = this.#host.volumeOf(modality);
    return [...(model ? [model] : []), ...this.#items, ...(this.#pending ? [this.#pending] : [])]
      .filter((item) => item.plane === plane && item.slice === slice)
      .map((item) => ({
        ...item, item, colour: item.kind === "rano" ? RANO_COLOUR : COLOUR, editable: this.#data.may_change,
        selected: item.id === this.#selected, label: this.#words(item, volume),
      }));
  }

  /** A press of the left button. Returns whether it is this module's. */
  start(tool, pane, slice, point, pixel, enhancing) {
    if (!this.#data.may_change) return false;
    if (this.#pending) {
      // The third point of an angle.
      this.#pending.points[2] = point;
      return true;
    }
    const marks = this.marksFor(pane, slice, enhancing);
    const found = handleAt(marks, pixel, (at) => pane.pixelOf(at));
    if (found) {
      let { item } = found.item;
      if (item === this.#model) {
        item = { ...structuredClone(this.#model), id: "rano", modality: pane.modality };
        this.#items.push(item);
      }
      this.#selected = item.id;
      this.#drag = { item, handle: found.handle };
      this.#host.onChange();
      return true;
    }
    this.#selected = null;
    if (!(tool in POINTS)) return false;
    const item = { id: crypto.randomUUID?.() ?? `${Date.now()}`, kind: tool, plane: pane.plane, slice, points: [point, point], text: "", modality: pane.modality };
    this.#items.push(item);
    this.#selected = item.id;
    this.#drag = { item, handle: 1, first: point, isNew: true };
    return true;
  }

  move(point) {
    if (this.#pending) this.#pending.points[2] = point;
    if (this.#drag) this.#drag.item.points[this.#drag.handle] = point;
    if (this.#pending || this.#drag) this.#host.onChange();
  }

  end() {
    if (this.#pending) {
      this.#items.push(this.#pending);
      this.#pending = null;
      this.#changed();
      return;
    }
    if (!this.#drag) return;
    const { item, isNew } = this.#drag;
    this.#drag = null;
    const [a, b] = item.points;
    const moved = Math.hypot(...a.map((value, axis) => (value - b[axis]) * this.#host.grid.spacing[axis]));
    if (isNew && moved < LEAST_MM) {
      this.#drop(item);
      return;
    }
    if (isNew && item.kind === "angle") {
      this.#drop(item);
      this.#pending = { ...item, points: [a, b, b] };
      this.#host.onChange();
      return;
    }
    this.#changed();
    if (isNew && item.kind === "arrow") this.#node.querySelector(`[data-id="${item.id}"] input`)?.focus();
  }

  get busy() { return Boolean(this.#pending); }

  cancel() {
    this.#pending = null;
    this.#selected = null;
    this.#host.onChange();
  }

  remove(id = this.#selected) {
    const item = this.#items.find((found) => found.id === id);
    if (!item) return;
    this.#drop(item);
    this.#changed();
  }

  #drop(item) {
    this.#items = this.#items.filter((found) => found !== item);
    this.#selected = null;
    this.#host.onChange();
  }

  #words(item, volume) {
    const text = measured(item, this.#host.grid, volume);
    const pair = pairOf(this.#items, item, this.#host.grid);
    return pair ? `${text} · ${pair.longest.toFixed(1)} × ${pair.shortest.toFixed(1)} = ${pair.product.toFixed(0)} mm²` : text;
  }

  #changed() {
    this.#list();
    this.#host.onChange();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_DELAY_MS);
  }

  async #save() {
    const state = part(this.#node, "annotations-state");
    try {
      const body = new Blob([JSON.stringify({ items: this.#items })], { type: "application/json" });
      await fetchJson(this.#data.annotations, { method: "PUT", body, keepalive: true }, NOT_SAVED);
      state.textContent = "Saved with the case.";
    } catch (error) {
      state.textContent = `${error.message} ${error.hint ?? NOT_SAVED}`;
    }
  }

  #list() {
    this.#node.hidden = !this.#items.length;
    const volume = this.#host.volumeOf(this.#host.modality());
    this.#node.querySelector("ul").replaceChildren(...this.#items.map((item) => {
      const jump = element("button", { class: "button button-small button-quiet", type: "button" },
        `${TITLES[item.kind]}, ${item.plane} ${item.slice + 1}`);
      jump.addEventListener("click", () => {
        this.#selected = item.id;
        this.#host.jump(item);
      });
      const remove = element("button", { class: "button button-small button-delete", type: "button", "aria-label": `Remove ${TITLES[item.kind]}` }, "×");
      remove.addEventListener("click", () => this.remove(item.id));
      remove.hidden = !this.#data.may_change;
      return element("li", { "data-id": item.id }, jump, item.kind === "arrow" ? this.#textOf(item)
        : element("span", { class: "number small" }, this.#words(item, volume)), remove);
    }));
  }

  #textOf(item) {
    const input = element("input", { type: "text", maxlength: "200", value: item.text, "aria-label": "Text of the arrow" });
    input.disabled = !this.#data.may_change;
    input.addEventListener("input", () => {
      item.text = input.value;
      this.#host.onChange();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#save(), SAVE_DELAY_MS);
    });
    return input;
  }
}
