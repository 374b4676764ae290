// Drawing on a pane: NiiVue's own drawing layer, filled with the mask that is corrected.

import { cmapper } from "../../vendor/niivue.js";

// Strokes that can be taken back. NiiVue keeps them in a ring, where one place holds the state before the first.
const UNDO = 60;

export class Pen {
  #nv;
  #strokes = 0;
  #undoable = 0;
  #onStroke;

  /** A pen on `nv`, which shows a volume; `onStroke()` is called when the drawing has changed. */
  constructor(nv, onStroke) {
    this.#nv = nv;
    this.#onStroke = onStroke;
    nv.opts.maxDrawUndoBitmaps = UNDO;
    nv.onDrawingChanged = (action) => { if (action === "draw") this.#count(); };
  }

  /** Begin with the voxels of a mask. */
  open(image) {
    this.#nv.loadDrawing(image);
    this.#nv.setDrawingEnabled(true);
  }

  /** Draw `value`, 0 to erase, `size` voxels wide; or fill what is circled. */
  take({ value, size, fill }) {
    this.#nv.opts.penSize = size;
    this.#nv.setPenValue(value, fill);
  }

  /** How the drawing looks: `table` is NiiVue's, colours by value. */
  look(table, opacity) {
    this.#nv.drawLut = cmapper.makeDrawLut(table);
    this.#nv.drawOpacity = opacity;
    this.#nv.updateGLVolume();
  }

  /** Strokes that are in the drawing, and how many of them can be taken back. */
  get strokes() { return this.#strokes; }

  get undoable() { return this.#undoable; }

  /** The value in the drawing under the crosshair. */
  get value() {
    const [, columns, rows] = this.#nv.back.dims;
    const [x, y, z] = this.#nv.frac2vox(this.#nv.scene.crosshairPos);
    return this.#nv.drawBitmap[x + columns * (y + rows * z)];
  }

  /** Draw no more, or again; what was drawn stays. */
  rest(resting) {
    this.#nv.setDrawingEnabled(!resting);
  }

  undo() {
    if (!this.#undoable) return;
    this.#strokes -= 1;
    this.#undoable -= 1;
    this.#nv.drawUndo();
    this.#onStroke();
  }

  /** The drawing as a compressed NIfTI file on the grid of the scans. */
  async file() {
    return this.#nv.volumes[0].saveToUint8Array("mask.nii.gz", this.#nv.drawBitmap);
  }

  close() {
    this.#nv.setDrawingEnabled(false);
    this.#nv.closeDrawing();
    this.#nv.onDrawingChanged = () => {};
    this.#nv.drawScene();
  }

  #count() {
    this.#strokes += 1;
    this.#undoable = Math.min(this.#undoable + 1, UNDO - 1);
    this.#onStroke();
  }
}
