// The picture area: which panes there are, the volumes they need, and drawing them, all at one point and one scale.

import { AXES, PLANES, clamp, fitting, rounded } from "./geometry.js";
import { Pane } from "./pane.js";
import { Prior } from "./prior.js";
import { boxAbove } from "./slice.js";
import { Library, at, gridOf, intensity } from "./volume.js";
import { greyTable, middleHalf, presetsOf, statisticsOf } from "./window.js";

const PLANE_TITLES = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" };
// Below this the confidence map could not be told from the scan.
const LEAST_CONFIDENCE_ALPHA = 0.75;
// As on the page that compares two cases.
const CHANGE_ALPHA = 0.7;

const channels = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
const pixel = ([red, green, blue], alpha) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

export class Stage {
  #area;
  #data;
  #library = new Library();
  #volumes = {};
  #presets = {};
  #heads = {};
  #priors = {};
  #prior = null;
  #tables = {};
  #panes = [];
  #box = null;
  #regionOf = {};
  #confidence = null;
  #wire;
  #isFast;
  #version = 0;

  grid = null;
  mask = null;

  /**
   * A stage in `area` for the data of the page; `wire(pane)` is called for each new pane, `isFast` says that a graphics
   * card draws.
   */
  constructor(area, data, wire, isFast) {
    this.#area = area;
    this.#isFast = isFast;
    this.#data = data;
    this.#wire = wire;
    for (const region of data.regions) for (const value of region.values) this.#regionOf[value] = region;
  }

  get panes() { return this.#panes; }

  get counts() { return Object.fromEntries(PLANES.map((plane) => [plane, this.grid.shape[AXES[plane][2]]])); }

  get version() { return this.#version; }

  /** The mask was changed. */
  touch() { this.#version += 1; }

  volumeOf(modality) { return this.#volumes[modality] ?? null; }

  async loadMask(version) {
    this.mask = await this.#library.get(`${this.#data.masks}/${version}.nii.gz`);
    this.grid = gridOf(this.mask.dims, this.#data.orientation, this.#data.spacing_mm);
  }

  async loadScan(modality) {
    if (this.#volumes[modality]) return;
    const volume = await this.#library.get(this.#data.volumes[modality]);
    const statistics = statisticsOf(volume, this.mask.data);
    this.#presets[modality] = presetsOf(statistics);
    this.#heads[modality] = middleHalf(statistics);
    this.#box ??= boxAbove(this.grid, volume.data, (statistics.low - volume.inter) / volume.slope);
    this.#volumes[modality] = volume;
  }

  /** The earlier case that panes show, null without one. */
  get prior() { return this.#prior; }

  /** Show an earlier case of the page's data beside this one, from now on, and have its sequence. */
  async loadPrior(data, modality) {
    this.#prior = this.#priors[data.id] ??= new Prior(data, this.#library);
    await this.#prior.load(modality, this.#heads[modality]);
  }

  async loadConfidence() {
    if (this.#confidence) return;
    const { data } = await this.#library.get(this.#data.confidence);
    const { colours: [low, high], from } = this.#data.uncertainty;
    const [a, b] = [channels(low), channels(high)];
    const colours = Uint32Array.from({ length: 256 }, (_, stored) => {
      const share = clamp((1 - stored / 255) / (1 - from), 0, 1);
      return pixel(a.map((value, n) => Math.round(value + (b[n] - value) * share)), Math.round(255 * Math.sqrt(share)));
    });
    this.#confidence = { data, colours };
  }

  limitsOf(modality, state) { return state.windows[modality] ?? this.#presets[modality][state.preset]; }

  /** The windows in which sequences are shown, of those that were loaded. */
  windowsOf(state) { return Object.fromEntries(Object.keys(this.#presets).map((modality) => [modality, this.limitsOf(modality, state)])); }

  rangeOf(modality) {
    const [low, high] = this.#presets[modality].full;
    return high - low;
  }

  /** Have exactly the panes of `specs` [{plane, modality, time}]. */
  arrange(specs, columns) {
    const key = ({ plane, modality, time = "now" }) => `${plane} ${modality} ${time}`;
    if (specs.map(key).join() !== this.#panes.map(key).join()) {
      const focused = this.#panes.findIndex(({ node }) => node === document.activeElement);
      for (const { node } of this.#panes) node.remove();
      this.#panes = specs.map((spec) => new Pane(this.#area, spec, this.#isFast));
      for (const pane of this.#panes) this.#wire(pane);
      if (focused >= 0) this.#panes[Math.min(focused, this.#panes.length - 1)].node.focus({ preventScroll: true });
    }
    this.#area.dataset.columns = columns;
    // The head fits every pane at one scale, so that a millimetre is as long in all of them.
    this.#fit = null;
  }

  #fit = null;

  resized() { this.#fit = null; }

  get centre() { return this.#box.low.map((value, axis) => (value + this.#box.high[axis]) / 2); }

  get fit() {
    this.#fit ??= fitting(this.#panes.map(({ size }) => size), this.#box, this.grid);
    return this.#fit;
  }

  draw(state, { whoOf, marksOf, brushOf }) {
    const shownKeys = new Set(state.regions);
    const shown = new Set(Object.entries(this.#regionOf).filter(([, { key }]) => shownKeys.has(key)).map(([value]) => Number(value)));
    const colours = Uint32Array.from({ length: 256 }, (_, value) => (shown.has(value) ? pixel(channels(this.#regionOf[value].colour), 255) : 0));
    const crosshair = [state.index.sagittal, state.index.coronal, state.index.axial];
    for (const pane of this.#panes) pane.measure();
    for (const pane of this.#panes) {
      const { plane, modality, time } = pane;
      const isNow = time === "now";
      const limits = this.limitsOf(modality, state);
      const index = state.index[plane];
      const volume = (isNow ? this : this.#prior).volumeOf(modality);
      pane.draw({
        grid: this.grid, volume, limits, table: this.#tableOf(`${time} ${modality}`, volume, limits),
        index, count: this.counts[plane], mask: (isNow ? this : this.#prior).mask.data, version: isNow ? this.#version : this.#prior.id, colours, shown,
        colourOf: (value) => this.#regionOf[value].colour,
        opacity: state.opacity, outline: state.outline || state.confidence,
        change: isNow && state.change ? this.#change : null,
        confidence: isNow && state.confidence && this.#confidence ? { ...this.#confidence, alpha: Math.max(LEAST_CONFIDENCE_ALPHA, state.opacity) } : null,
        scale: this.fit * state.zoom, zoom: state.zoom, centre: state.centre ?? this.centre,
        crosshair: state.crosshair ? crosshair : null, marks: marksOf(pane, index), brush: brushOf(pane),
        titles: PLANE_TITLES, sequence: this.#data.titles[modality], who: whoOf(pane), current: plane === state.plane && this.#panes.length > 1,
      });
    }
  }

  /** What there is at a voxel: {mm, value, region, confidence}. */
  reading(point, modality) {
    const place = rounded(point, this.grid);
    const mm = this.#data.affine.slice(0, 3).map((row) => row[3] + place.reduce((sum, value, axis) => sum + row[axis] * value, 0));
    return {
      mm,
      value: intensity(this.#volumes[modality], this.grid, place),
      region: this.#regionOf[this.mask.data[at(this.grid, ...place)]]?.title ?? null,
      confidence: this.#confidence ? this.#confidence.data[at(this.grid, ...place)] / 255 : null,
    };
  }

  /** Volumes in mL by region as the mask is now. */
  volumesMl() {
    const counts = new Uint32Array(256);
    for (const value of this.mask.data) counts[value] += 1;
    const voxelMl = this.grid.spacing.reduce((product, value) => product * value, 1) / 1000;
    return Object.fromEntries(this.#data.regions.map(({ key, values }) => [key, values.reduce((sum, value) => sum + counts[value], 0) * voxelMl]));
  }

  get #change() {
    const [gained, lost] = this.#data.change_colours.map((colour) => pixel(channels(colour), 255));
    return { before: this.#prior.mask.data, gained, lost, alpha: CHANGE_ALPHA };
  }

  #tableOf(name, volume, limits) {
    const known = this.#tables[name];
    if (known?.volume === volume && known.limits[0] === limits[0] && known.limits[1] === limits[1]) return known.table;
    const table = greyTable(volume, limits);
    this.#tables[name] = { volume, limits, table };
    return table;
  }
}
