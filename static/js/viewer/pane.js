// One picture: a plane of a sequence with the mask, the crosshair and the marks on it, drawn on a canvas.

import { element } from "../dom.js";
import { LETTERS, AXES, barLength, fromPixels, fromPlane, placing, toPixels, toPlane } from "./geometry.js";
import { drawMarks } from "./marks.js";
import { layoutOf, outlines, paintChange, paintGrey, paintTable } from "./slice.js";

const SIDES = ["left", "right", "top", "bottom"];
const MOST_BAR_PX = 110;
// As in the style sheet.
const SLIDER_PX = 22;
// A thin line needs more than an area to be seen.
const MORE_ALPHA = 0.4;
const CROSSHAIR = "rgb(124 192 255 / 0.62)";
// Where the lines of the crosshair meet, the picture stays free.
const CROSSHAIR_GAP_PX = 9;

// Where the processor stands in for a graphics card, it draws faster itself than through one that it emulates.
const byProcessor = (isFast) => ({ willReadFrequently: !isFast });

/** A slice's pixels on a canvas of its own, which is then drawn at any size. */
class Layer {
  #canvas = document.createElement("canvas");
  #context;
  #image = null;
  #key = "";

  constructor(isFast) {
    this.#context = this.#canvas.getContext("2d", byProcessor(isFast));
  }

  /** The canvas with what `paint(pixels)` fills in; painted only when `key` has changed. */
  of(key, width, height, paint) {
    if (key === this.#key) return this.#canvas;
    this.#key = key;
    if (this.#image?.width !== width || this.#image?.height !== height) {
      Object.assign(this.#canvas, { width, height });
      this.#image = this.#context.createImageData(width, height);
    }
    paint(new Uint32Array(this.#image.data.buffer));
    this.#context.putImageData(this.#image, 0, 0);
    return this.#canvas;
  }
}

export class Pane {
  #context;
  #layers;
  #outline = { key: "", runs: [] };
  #texts = {};
  #place = null;
  #size = null;
  #view = null;

  /** A pane of `plane` and `modality` in `area`; `time` is "now", or "prior" for the earlier case beside it. */
  constructor(area, { plane, modality, time = "now" }, isFast) {
    this.#layers = Object.fromEntries(["scan", "fill", "confidence"].map((name) => [name, new Layer(isFast)]));
    this.plane = plane;
    this.modality = modality;
    this.time = time;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.#context = this.canvas.getContext("2d", { alpha: false, ...byProcessor(isFast) });
    const text = (name) => (this.#texts[name] = element("span", { class: `pane-${name}`, "data-part": `pane-${name}` }));
    this.slider = element("input", { type: "range", min: "0", class: "pane-slider" });
    this.node = element("section", { class: "pane", tabindex: "0", "data-plane": plane, "data-modality": modality, "data-time": time },
      this.canvas, text("title"), text("who"), text("slice"), text("window"), text("bar"),
      ...SIDES.map((side, at) => element("span", { class: `letter letter-${side}`, "aria-hidden": "true" }, LETTERS[plane][at])),
      this.slider);
    area.append(this.node);
  }

  /** Pixels of the picture {plane, width, height}, as `measure` found them. */
  get size() { return this.#size; }

  /** Ask the page for the size: once before all panes are drawn, since each change makes it lay itself out anew. */
  measure() {
    this.#size = { plane: this.plane, width: this.node.clientWidth, height: this.node.clientHeight - SLIDER_PX };
  }

  /** The canonical voxel under a pixel of the pane, not rounded. */
  pointAt(pixel) {
    return fromPlane(this.plane, fromPixels(this.#place, pixel), this.#view.index, this.#view.grid);
  }

  pixelOf(point) {
    return toPixels(this.#place, toPlane(this.plane, point, this.#view.grid));
  }

  /**
   * Draw `view`: {grid, volume, limits, table, index, count, mask, colours, opacity, outline, shown, confidence,
   * change, scale, centre, crosshair, marks, brush, titles, who, sequence}.
   */
  draw(view) {
    this.#view = view;
    const { width, height } = this.size;
    const dpr = window.devicePixelRatio || 1;
    const [columns, rows] = [Math.round(width * dpr), Math.round(height * dpr)];
    if (this.canvas.width !== columns || this.canvas.height !== rows) Object.assign(this.canvas, { width: columns, height: rows });
    this.#place = placing(this.plane, { width, height }, view, view.grid);
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, columns, rows);
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    this.#drawLayers(view);
    if (view.crosshair) this.#drawCrosshair(view, width, height);
    drawMarks(context, view.marks, (point) => this.pixelOf(point), width);
    if (view.brush) this.#drawBrush(view);
    this.#tell(view);
  }

  #drawLayers(view) {
    const { grid, volume, table, index, mask, version } = view;
    const slice = layoutOf(this.plane, index, grid);
    const [across, down] = AXES[this.plane];
    const [width, height] = [grid.shape[across] * grid.spacing[across] * view.scale, grid.shape[down] * grid.spacing[down] * view.scale];
    const put = (canvas, smooth, alpha) => {
      this.#context.imageSmoothingEnabled = smooth;
      this.#context.globalAlpha = alpha;
      this.#context.drawImage(canvas, this.#place.left, this.#place.top, width, height);
      this.#context.globalAlpha = 1;
    };
    const { scan, fill, confidence } = this.#layers;
    put(scan.of(`${index} ${view.limits}`, slice.width, slice.height, (pixels) => paintGrey(pixels, slice, volume, table)), true, 1);
    if (view.confidence) {
      const { data, colours, alpha } = view.confidence;
      put(confidence.of(`${index}`, slice.width, slice.height, (pixels) => paintTable(pixels, slice, data, colours)), true, alpha);
    }
    if (!view.shown.size) return;
    const key = `${index} ${version} ${[...view.shown]} ${Boolean(view.change)}`;
    if (view.change) {
      put(fill.of(key, slice.width, slice.height, (pixels) => paintChange(pixels, slice, mask, view.change, view.shown)), false, view.change.alpha);
    } else if (view.outline) this.#drawOutline(key, slice, view, width / slice.width, height / slice.height);
    else put(fill.of(key, slice.width, slice.height, (pixels) => paintTable(pixels, slice, mask, view.colours)), false, view.opacity);
  }

  #drawOutline(key, slice, { mask, shown, colourOf, opacity }, stepX, stepY) {
    if (this.#outline.key !== key) {
      const found = outlines(slice, mask, (value) => shown.has(value));
      this.#outline = { key, runs: [...found] };
    }
    const { left, top } = this.#place;
    for (const [value, runs] of this.#outline.runs) {
      const path = new Path2D();
      for (const [x1, y1, x2, y2] of runs) {
        path.moveTo(left + x1 * stepX, top + y1 * stepY);
        path.lineTo(left + x2 * stepX, top + y2 * stepY);
      }
      this.#context.globalAlpha = Math.min(1, opacity + MORE_ALPHA);
      // A dark border, so that a line can be seen on white, too.
      for (const [style, lineWidth] of [["rgb(0 0 0 / 0.6)", 3.4], [colourOf(value), 1.6]]) {
        Object.assign(this.#context, { strokeStyle: style, lineWidth, lineCap: "round" });
        this.#context.stroke(path);
      }
      this.#context.globalAlpha = 1;
    }
  }

  #drawCrosshair({ crosshair }, width, height) {
    const { x, y } = this.pixelOf(crosshair);
    const context = this.#context;
    Object.assign(context, { strokeStyle: CROSSHAIR, lineWidth: 1 });
    context.beginPath();
    for (const [x1, y1, x2, y2] of [[0, y, x - CROSSHAIR_GAP_PX, y], [x + CROSSHAIR_GAP_PX, y, width, y], [x, 0, x, y - CROSSHAIR_GAP_PX], [x, y + CROSSHAIR_GAP_PX, x, height]]) {
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
    }
    context.stroke();
  }

  #drawBrush({ brush: { pixel, radiusMm, line }, scale }) {
    const context = this.#context;
    context.beginPath();
    if (line.length > 1) line.forEach((point) => {
      const { x, y } = this.pixelOf(point);
      context.lineTo(x, y);
    });
    else if (pixel) context.arc(pixel.x, pixel.y, radiusMm * scale, 0, 2 * Math.PI);
    for (const [strokeStyle, lineWidth] of [["#000", 2.5], ["#fff", 1]]) {
      Object.assign(context, { strokeStyle, lineWidth });
      context.stroke();
    }
  }

  #say(name, text) {
    const node = this.#texts[name];
    if (node.textContent !== text) node.textContent = text;
  }

  #tell({ titles, sequence, who, index, count, limits: [black, white], zoom, scale, current }) {
    const number = (value) => (Math.abs(white - black) >= 20 ? value.toFixed(0) : value.toPrecision(3)).replace("-", "−");
    const place = `${index + 1} of ${count}`;
    this.#say("title", `${titles[this.plane]} · ${sequence}`);
    this.#say("who", who);
    this.#say("slice", `${index + 1} / ${count}`);
    this.#say("window", `W ${number(white - black)} L ${number((white + black) / 2)}${zoom === 1 ? "" : ` · ${zoom.toFixed(1)}×`}`);
    const bar = barLength(scale, Math.min(MOST_BAR_PX, this.size.width / 4));
    this.#say("bar", `${bar} mm`);
    this.#texts.bar.style.width = `${bar * scale}px`;
    this.node.classList.toggle("current", current);
    this.node.dataset.index = index;
    const name = `${sequence}${this.time === "prior" ? ", prior" : ""}`;
    const label = `${titles[this.plane]}, ${name}, slice ${place}`;
    if (this.node.getAttribute("aria-label") === label) return;
    this.node.setAttribute("aria-label", label);
    this.node.setAttribute("role", "group");
    this.slider.setAttribute("aria-label", `${titles[this.plane]} slice, ${name}`);
    this.slider.setAttribute("aria-valuetext", place);
    this.slider.max = count - 1;
    this.slider.value = index;
  }
}
