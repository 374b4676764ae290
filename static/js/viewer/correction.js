// Correcting the mask by hand: the bar of pens and tools, and saving as a new version. Saving adds a version and
// replaces none. What is not saved is kept in the browser.

import { errorNotice, part } from "../dom.js";
import { plural } from "../text.js";
import { fetchJson } from "../transfer.js";
import { difference, removeDraft, writeDraft } from "./draft.js";
import { Stroke, between, brush, components, enclosed, interpolateSlices, smoothed, write } from "./edit.js";
import { AXES } from "./geometry.js";
import { History } from "./history.js";
import { at, compressed, inside, pointAt } from "./volume.js";

const ERASE = "erase";
const KEPT = "What you have drawn is still here: try again.";
const DRAFT_DELAY_MS = 250;

export class Correction {
  #bar;
  #controls;
  #data;
  #mask = null;
  #begun = null;
  #history = new History();
  #stroke = null;
  #line = [];
  #last = null;
  #touched = new Map();
  #saving = false;
  #saved = false;
  #draftTimer = 0;
  #base;

  active = false;

  /**
   * `bar` is its part of the page, `data` that of the viewer. `host` has: grid, onChange(change) after each change of
   * the mask, onState() when what is offered changes, onSaved() once a version was added, and range(), the intensities of
   * the sequence that is read.
   */
  constructor(bar, data, host) {
    this.#bar = bar;
    this.#data = data;
    this.host = host;
    this.#base = data.base;
    this.#controls = document.getElementById("correction-controls").elements;
    const buttons = { undo: () => this.undo(), redo: () => this.redo(), save: () => this.#save(), discard: () => this.discard(),
      interpolate: () => this.interpolate(), islands: () => this.removeIslands(), smooth: () => this.smooth() };
    for (const [name, action] of Object.entries(buttons)) part(bar, name).addEventListener("click", action);
    this.#controls.namedItem("threshold").addEventListener("change", () => this.#proposeLimits());
    window.addEventListener("pagehide", () => this.#keep());
  }

  get dirty() { return this.#history.undoable || this.#history.length > 0; }

  get saving() { return this.#saving; }

  get pen() { return this.#controls.namedItem("pen").value; }

  /** The brush as the pane draws it. */
  get cursor() {
    const voxel = Math.min(...this.host.grid.spacing);
    return { radiusMm: this.#fills ? 0 : (this.#size * voxel) / 2, line: this.#line };
  }

  /** Take over the mask, and the `draft` that was drawn on it before a reload, if any. Returns whether there was one. */
  begin(mask, draft) {
    this.#mask = mask;
    this.#begun = mask.data.slice();
    if (!draft?.places.length || draft.places.at(-1) >= mask.data.length) return false;
    this.#base = draft.base;
    const stroke = new Stroke(mask.data);
    draft.places.forEach((place, n) => stroke.set(place, draft.values[n]));
    this.#push(stroke);
    return true;
  }

  toggle(active) {
    this.active = active && this.#data.may_change;
    this.#bar.hidden = !this.active;
    this.#tell();
  }

  choose(pen) { this.#controls.namedItem("pen").value = pen; }

  tick(name) {
    const box = this.#controls.namedItem(name);
    box.checked = !box.checked;
    box.dispatchEvent(new Event("change"));
    this.host.onState();
  }

  resize(by) {
    const size = this.#controls.namedItem("size");
    size.value = Math.max(1, Number(size.value) + by);
    this.host.onState();
  }

  // Drawing

  start(pane, point, volume) {
    if (this.#saving) return;
    this.#stroke = { pane, stroke: new Stroke(this.#mask.data, this.#locked), volume };
    this.#line = [point];
    this.#last = point;
    if (!this.#fills) this.#dab(point);
  }

  move(point) {
    if (!this.#stroke) return;
    if (this.#fills) this.#line.push(point);
    else for (const next of between(this.#last, point)) this.#dab(next);
    this.#last = point;
    this.host.onChange(null);
  }

  end() {
    if (!this.#stroke) return;
    const { pane, stroke } = this.#stroke;
    if (this.#fills && this.#line.length > 2) {
      enclosed(this.host.grid, pane.plane, this.#line, (i, j, k) => this.#put(i, j, k));
    }
    this.#line = [];
    this.#stroke = null;
    this.#remember(pane.plane, stroke.change);
    this.#push(stroke);
  }

  undo() {
    if (this.#saving) return;
    this.#changed(this.#history.undo(this.#mask.data));
  }

  redo() {
    if (this.#saving) return;
    this.#changed(this.#history.redo(this.#mask.data));
  }

  /** Fill the slices between those in which the pen's label was drawn by hand. */
  interpolate() {
    if (this.#saving || this.pen === ERASE) return;
    const { grid, plane } = this.host;
    const value = this.#value;
    const { data } = this.#mask;
    const slices = [...(this.#touched.get(`${plane} ${value}`) ?? [])].sort((a, b) => a - b);
    const stroke = new Stroke(data, this.#locked);
    const isSet = (i, j, k) => data[at(grid, i, j, k)] === value;
    slices.slice(1).forEach((last, n) => {
      if (last - slices[n] < 2) return;
      interpolateSlices(grid, plane, slices[n], last, isSet, (i, j, k, within) => {
        const place = at(grid, i, j, k);
        if (within) stroke.set(place, value);
      });
    });
    this.#push(stroke, "There are no slices to fill: draw the region in two slices of this plane first.");
  }

  /** Remove parts of the pen's label that are smaller than the limit; with the eraser, of all labels. */
  removeIslands() {
    if (this.#saving) return;
    const { grid } = this.host;
    const least = Number(this.#controls.namedItem("islands_ml").value) || 0;
    const voxelMl = grid.spacing.reduce((product, value) => product * value, 1) / 1000;
    const stroke = new Stroke(this.#mask.data, this.#locked);
    const wanted = this.pen === ERASE ? (value) => value > 0 : (value) => value === this.#value;
    for (const { places } of components(grid, this.#mask.data, wanted)) {
      if (places.length * voxelMl < least) for (const place of places) stroke.set(place, 0);
    }
    this.#push(stroke, `No part is smaller than ${least} mL.`);
  }

  smooth() {
    if (this.#saving || this.pen === ERASE) return;
    const stroke = new Stroke(this.#mask.data, this.#locked);
    for (const [place, value] of smoothed(this.host.grid, this.#mask.data, this.#value)) stroke.set(place, value);
    this.#push(stroke, "This region is smooth already.");
  }

  discard() {
    if (this.#saving || !this.dirty || !window.confirm("Discard what you have drawn?")) return;
    const change = difference(this.#begun, this.#mask.data);
    write(this.#mask.data, change.places, change.values);
    this.#history = new History();
    this.#touched.clear();
    this.#base = this.#data.base;
    removeDraft(this.#data.id);
    this.#changed(change);
  }

  get #size() { return Math.max(1, Math.min(60, Number(this.#controls.namedItem("size").value) || 1)); }

  get #fills() { return this.#controls.namedItem("fill").checked; }

  get #value() { return this.pen === ERASE ? 0 : this.#data.values[this.pen]; }

  get #locked() {
    const boxes = [...this.#bar.querySelectorAll('[name="lock"]:checked')];
    return new Set(boxes.map((box) => this.#data.values[box.value]));
  }

  /** The limits within which the brush paints, null without. */
  get #limits() {
    if (!this.#controls.namedItem("threshold").checked) return null;
    return ["from", "to"].map((name) => Number(this.#controls.namedItem(name).value));
  }

  #proposeLimits() {
    if (!this.#controls.namedItem("threshold").checked) return;
    this.host.range().forEach((value, n) => { this.#controls.namedItem(["from", "to"][n]).value = Number(value.toPrecision(3)); });
  }

  #dab(point) {
    const { grid } = this.host;
    if (!inside(grid, point.map(Math.round))) return;
    brush(grid, this.#stroke.pane.plane, point, this.#size, this.#controls.namedItem("ball").checked, (i, j, k) => this.#put(i, j, k));
  }

  #put(i, j, k) {
    const place = at(this.host.grid, i, j, k);
    const { stroke, volume } = this.#stroke;
    const limits = this.#limits;
    if (limits) {
      const value = volume.data[place] * volume.slope + volume.inter;
      if (value < limits[0] || value > limits[1]) return;
    }
    stroke.set(place, this.#value);
  }

  /** Slices in which a label was drawn: between them it can be interpolated. */
  #remember(plane, { places, after }) {
    places.forEach((place, n) => {
      if (!after[n]) return;
      const key = `${plane} ${after[n]}`;
      if (!this.#touched.has(key)) this.#touched.set(key, new Set());
      this.#touched.get(key).add(pointAt(this.host.grid, place)[AXES[plane][2]]);
    });
  }

  #push(stroke, nothing = "") {
    const { change } = stroke;
    if (!change.places.length) {
      this.#say(nothing);
      this.host.onChange(null);
      return;
    }
    this.#history.push(change);
    this.#changed(change);
  }

  #changed(change) {
    if (!change) return;
    this.#say("");
    this.host.onChange(change);
    this.#tell();
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.#keep(), DRAFT_DELAY_MS);
  }

  #keep() {
    if (!this.#begun || this.#saved) return;
    clearTimeout(this.#draftTimer);
    const { places, values } = difference(this.#mask.data, this.#begun);
    if (places.length) writeDraft(this.#data.id, { base: this.#base, places, values });
    else if (this.dirty || this.active) removeDraft(this.#data.id);
  }

  #say(text) { part(this.#bar, "note").textContent = text; }

  #tell() {
    const count = this.#history.length;
    part(this.#bar, "undo").disabled = this.#saving || !this.#history.undoable;
    part(this.#bar, "redo").disabled = this.#saving || !this.#history.redoable;
    for (const name of ["save", "discard"]) part(this.#bar, name).disabled = this.#saving || !count;
    part(this.#bar, "strokes").textContent = this.#saving ? "Saving …" : count ? `${plural(count, "change")}, not saved` : "Nothing drawn yet";
    this.host.onState();
  }

  /** Save, and show the page anew: measurements, pictures and downloads all follow. */
  async #save() {
    this.#saving = true;
    this.#tell();
    try {
      if (await this.#isWanted()) {
        const form = new FormData();
        form.append("base", this.#base);
        form.append("mask", await compressed(this.#mask, this.#mask.data), "mask.nii.gz");
        await fetchJson(this.#data.masks, { method: "POST", body: form }, KEPT);
        this.#saved = true;
        clearTimeout(this.#draftTimer);
        await removeDraft(this.#data.id);
        this.host.onSaved();
        return;
      }
    } catch (error) {
      const { code = "failed", message, hint = KEPT } = error;
      part(this.#bar, "errors").replaceChildren(errorNotice({ code, message, hint }));
    }
    this.#saving = false;
    this.#tell();
  }

  /** Whether to save. Asks if somebody has saved another version since this was drawn. */
  async #isWanted() {
    const { current } = await fetchJson(this.#data.masks, {}, KEPT);
    return current === this.#base
      || window.confirm(`Version ${current} has been saved in the meantime. Save yours, drawn on version ${this.#base}, as the next one?`);
  }
}
