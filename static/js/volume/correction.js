// Correcting the mask by hand: the bar of pens, undo, and saving as a new version. Meanwhile NiiVue shows the mask
// as its drawing. Saving adds a version and replaces none.

import { errorNotice, part } from "../dom.js";
import { fetchJson } from "../transfer.js";
import { plural } from "../text.js";
import { colourTable, regionOf } from "./mask.js";

const ERASE = "erase";
const KEPT = "What you have drawn is still here: try again.";

export class Correction {
  #bar;
  #button;
  #controls;
  #values;
  #regions;
  #urls;
  #pen = null;
  #looked = "";
  #onStroke;
  #saving = false;
  #saved = false;

  /**
   * `bar` is its part of the page, `button` opens and closes it; `urls` are those of `Stage`;
   * `onStroke()` is called when the drawing has changed.
   */
  constructor(bar, button, { regions, values, urls, onStroke }) {
    this.#bar = bar;
    this.#button = button;
    this.#controls = document.getElementById("correction-controls").elements;
    this.#regions = regions;
    this.#values = values;
    this.#urls = urls;
    this.#onStroke = onStroke;
    part(bar, "undo").addEventListener("click", () => this.undo());
    part(bar, "save").addEventListener("click", () => this.#save());
    for (const name of ["pen", "size", "fill"]) {
      const found = this.#controls.namedItem(name);
      for (const control of found instanceof RadioNodeList ? found : [found]) {
        control.addEventListener("change", () => this.#take());
      }
    }
    // What was drawn is lost with the page: the browser asks.
    window.addEventListener("beforeunload", (event) => { if (this.dirty && !this.#saved) event.preventDefault(); });
  }

  get active() { return this.#pen !== null; }

  get dirty() { return Boolean(this.#pen?.strokes); }

  /** Whether the drawing is on its way to the server, and has to stay as it is. */
  get saving() { return this.#saving; }

  /** The title of the region under the crosshair in the drawing; null for none. */
  get region() { return regionOf(this.#regions, this.#pen.value); }

  /** Begin to draw in the only pane of a stage. */
  start(stage) {
    this.#pen = stage.pen(() => {
      this.#tell();
      this.#onStroke();
    });
    this.#bar.hidden = false;
    this.#button.setAttribute("aria-pressed", "true");
    part(this.#bar, "errors").replaceChildren();
    this.#take();
    this.#tell();
  }

  /** Stop drawing. What was drawn is lost unless it was saved. */
  stop() {
    this.#pen?.close();
    this.#pen = null;
    this.#looked = "";
    this.#bar.hidden = true;
    this.#button.setAttribute("aria-pressed", "false");
  }

  /** Show the drawing as the mask would be shown. Hidden regions stay in it, but cannot be seen. */
  look({ regions, opacity }) {
    const wanted = JSON.stringify([regions, opacity]);
    if (!this.#pen || wanted === this.#looked) return;
    this.#looked = wanted;
    this.#pen.look(colourTable(this.#regions, ({ key }) => (regions.includes(key) ? 255 : 0)), opacity);
  }

  undo() {
    if (!this.#saving) this.#pen?.undo();
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
    part(this.#bar, "undo").disabled = this.#saving || !this.#pen?.undoable;
    part(this.#bar, "save").disabled = this.#saving || strokes === 0;
    part(this.#bar, "strokes").textContent = this.#saving ? "Saving …" : strokes ? `${plural(strokes, "stroke")}, not saved` : "Nothing drawn yet";
  }

  /** Save, and show the page anew: measurements, pictures and downloads all follow. */
  async #save() {
    this.#rest(true);
    try {
      if (!(await this.#isWanted())) {
        this.#rest(false);
        return;
      }
      const form = new FormData();
      form.append("base", this.#urls.base);
      form.append("mask", new Blob([await this.#pen.file()]), "mask.nii.gz");
      await fetchJson(this.#urls.masks, { method: "POST", body: form }, KEPT);
      this.#saved = true;
      window.location.reload();
    } catch (error) {
      const { code = "failed", message, hint = KEPT } = error;
      part(this.#bar, "errors").replaceChildren(errorNotice({ code, message, hint }));
      this.#rest(false);
    }
  }

  /** Whether to save. Asks if somebody has saved another version since this page was loaded. */
  async #isWanted() {
    const { current } = await fetchJson(this.#urls.masks, {}, KEPT);
    return current === Number(this.#urls.base)
      || window.confirm(`Version ${current} has been saved in the meantime. Save yours, drawn on version ${this.#urls.base}, as the next one?`);
  }

  /** A stroke that is drawn while the mask is sent would be lost. */
  #rest(resting) {
    this.#saving = resting;
    this.#pen.rest(resting);
    this.#tell();
  }
}
