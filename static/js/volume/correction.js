// Correcting the mask by hand: the bar of pens, undo, and saving as a new version. The mask is drawn
// as NiiVue's drawing meanwhile; what is saved is added to the versions and replaces none.

import { errorNotice, part } from "../dom.js";
import { refusalFrom } from "../transfer.js";
import { plural } from "../text.js";
import { colourTable } from "./mask.js";

const ERASE = "erase";

export class Correction {
  #bar;
  #button;
  #controls;
  #values;
  #regions;
  #urls;
  #pen = null;
  #looked = "";
  #saving = false;

  /** `bar` is its part of the page, `button` opens and closes it; `urls` are those of `Stage`. */
  constructor(bar, button, { regions, values, urls }) {
    this.#bar = bar;
    this.#button = button;
    this.#controls = document.getElementById("correction-controls").elements;
    this.#regions = regions;
    this.#values = values;
    this.#urls = urls;
    part(bar, "undo").addEventListener("click", () => this.undo());
    part(bar, "save").addEventListener("click", () => this.#save());
    for (const name of ["pen", "size", "fill"]) {
      const found = this.#controls.namedItem(name);
      for (const control of found instanceof RadioNodeList ? found : [found]) {
        control.addEventListener("change", () => this.#take());
      }
    }
    // What was drawn is lost with the page: the browser asks.
    window.addEventListener("beforeunload", (event) => { if (this.dirty && !this.#saving) event.preventDefault(); });
  }

  get active() { return this.#pen !== null; }

  get dirty() { return Boolean(this.#pen?.strokes); }

  /** Begin to draw in the only pane of a stage. */
  start(stage) {
    this.#pen = stage.pen(() => this.#tell());
    this.#bar.hidden = false;
    this.#button.setAttribute("aria-pressed", "true");
    part(this.#bar, "errors").replaceChildren();
    this.#take();
    this.#tell();
  }

  /** Put the pens away; what was drawn is lost unless it was saved. */
  stop() {
    this.#pen?.close();
    this.#pen = null;
    this.#looked = "";
    this.#bar.hidden = true;
    this.#button.setAttribute("aria-pressed", "false");
  }

  /** Show the drawing as the mask would be shown; hidden regions are there, but cannot be seen. */
  look({ regions, opacity }) {
    const wanted = JSON.stringify([regions, opacity]);
    if (!this.#pen || wanted === this.#looked) return;
    this.#looked = wanted;
    this.#pen.look(colourTable(this.#regions, ({ key }) => (regions.includes(key) ? 255 : 0)), opacity);
  }

  undo() {
    this.#pen?.undo();
  }

  #take() {
    const pen = this.#controls.namedItem("pen").value;
    this.#pen?.take({
      value: pen === ERASE ? 0 : this.#values[pen],
      size: Number(this.#controls.namedItem("size").value),
      fill: this.#controls.namedItem("fill").checked,
    });
  }

  #tell() {
    const strokes = this.#pen?.strokes ?? 0;
    part(this.#bar, "undo").disabled = !this.#pen?.undoable;
    part(this.#bar, "save").disabled = strokes === 0;
    part(this.#bar, "strokes").textContent = strokes ? `${plural(strokes, "stroke")}, not saved` : "Nothing drawn yet";
  }

  /** Save, and show the page anew: measurements, pictures and downloads all follow. */
  async #save() {
    const save = part(this.#bar, "save");
    save.disabled = true;
    part(this.#bar, "strokes").textContent = "Saving …";
    try {
      const form = new FormData();
      form.append("base", this.#urls.base);
      form.append("mask", new Blob([await this.#pen.file()]), "mask.nii.gz");
      const answer = await fetch(this.#urls.masks, { method: "POST", body: form, headers: { Accept: "application/json" } });
      if (!answer.ok) throw refusalFrom(answer.status, await answer.json().catch(() => null));
      this.#saving = true;
      window.location.reload();
    } catch (error) {
      const { code = "unreachable", message, hint = "Nothing is lost: try again." } = error;
      part(this.#bar, "errors").replaceChildren(errorNotice({ code, message, hint }));
      this.#tell();
    }
  }
}
