// One picture of NiiVue: a sequence with the mask on it, as one plane, as a rendering, or as all four.

import { DRAG_MODE, Niivue, SLICE_TYPE } from "../../vendor/niivue.js";
import { LAYOUTS } from "./address.js";
import { Pen } from "./pen.js";

const TYPES = {
  axial: SLICE_TYPE.AXIAL, coronal: SLICE_TYPE.CORONAL, sagittal: SLICE_TYPE.SAGITTAL, render: SLICE_TYPE.RENDER,
};
const PLANE_OF = Object.fromEntries(Object.entries(TYPES).map(([plane, type]) => [type, plane]));
// Space for the letters at the edges, as a fraction of the picture.
const AIR = 0.02;
const part = (left, top, size) => [left + AIR * size, top + AIR * size, size - 2 * AIR * size, size - 2 * AIR * size];
const tile = (plane, position) => ({ sliceType: TYPES[plane], position });
const FOUR = [
  tile("axial", part(0, 0, 0.5)), tile("render", part(0.5, 0, 0.5)),
  tile("coronal", part(0, 0.5, 0.5)), tile("sagittal", part(0.5, 0.5, 0.5)),
];
// NiiVue's axes of the three planes: right, anterior, superior.
const AXIS = { sagittal: 0, coronal: 1, axial: 2 };
const CROSSHAIR_MM = 0.4;
// NiiVue's texture unit of the drawing.
const DRAWING_UNIT = 7;
// How much the surface of the head is shaded, and how far it lets the tumour inside be seen, from 0 to 1.
const SHADING = 0.55;
const GLASS = 0.15;

const MOUSE = {
  leftButton: { primary: DRAG_MODE.crosshair, withShift: DRAG_MODE.slicer3D },
  rightButton: DRAG_MODE.windowing,
  centerButton: DRAG_MODE.pan,
};
const OPTIONS = {
  isRadiologicalConvention: true,
  // Anterior on the left, as in the rendered slices of the page.
  sagittalNoseLeft: true,
  dragAndDropEnabled: false,
  isForceMouseClickToVoxelCenters: true,
  showAllOrientationMarkers: true,
  crosshairColor: [0.49, 0.75, 1, 0.75],
  crosshairWidthUnit: "mm",
  fontColor: [0.83, 0.85, 0.89, 1],
  fontMinPx: 13,
  fontSizeScaling: 0,
  backColor: [0, 0, 0, 1],
  clipPlaneColor: [0, 0, 0, 0],
  multiplanarPadPixels: 1,
  loadingText: "",
  logLevel: "error",
};

/**
 * NiiVue without its own keys, since the page has keys of its own. It calls `onDrawn` after every drawing, and
 * draws once for several changes; by itself NiiVue draws again for each.
 */
class Drawing extends Niivue {
  onDrawn = () => {};
  #held = false;

  keyDownListener() {}
  keyUpListener() {}
  sync() { this.onDrawn(); }

  /**
   * NiiVue finds only one of the two names in the shader's "uniform sampler3D drawing, gradient;". Without
   * this, the rendering would read the scan instead of the drawing.
   */
  initRenderShader(shader, gradientAmount) {
    super.initRenderShader(shader, gradientAmount);
    this.gl.uniform1i(this.gl.getUniformLocation(shader.program, "drawing"), DRAWING_UNIT);
  }

  drawScene() {
    return this.#held ? undefined : super.drawScene();
  }

  /** A stroke that leaves the picture ends there, instead of being forgotten. */
  mouseLeaveListener() {
    if (this.opts.drawingEnabled && this.uiData.mousedown) this.mouseUpListener();
    super.mouseLeaveListener();
  }

  /** Make `changes`, which say whether there is anything to draw. */
  once(changes) {
    this.#held = true;
    const changed = changes();
    this.#held = false;
    if (changed) this.drawScene();
  }
}

const same = (a, b) => a.every((value, at) => Math.abs(value - b[at]) < 1e-4);

export class Pane {
  #nv = new Drawing(OPTIONS);
  #layout = null;
  #version = 0;
  #shaded = false;

  /** A pane on `canvas`; `onDrawn(pane)` is called after every drawing. */
  constructor(canvas, onDrawn) {
    this.canvas = canvas;
    // NiiVue focuses it at every touch; scrolling it into sight would move it under the finger.
    canvas.focus = () => HTMLElement.prototype.focus.call(canvas, { preventScroll: true });
    // As an option of the constructor it would be ignored.
    this.#nv.setMouseEventConfig(MOUSE);
    this.#nv.onDrawn = () => { if (this.image) onDrawn(this); };
  }

  async start() {
    await this.#nv.attachToCanvas(this.canvas, true);
  }

  get image() { return this.#nv.volumes[0] ?? null; }

  /** [black, white] as they are drawn. */
  get limits() { return [this.image.cal_min, this.image.cal_max]; }

  /** Where the rendering is seen from: azimuth, elevation and size. */
  get camera() {
    const { renderAzimuth, renderElevation, volScaleMultiplier } = this.#nv.scene;
    return [renderAzimuth, renderElevation, volScaleMultiplier];
  }

  /** How far the planes are shifted, in mm, and their zoom. */
  get pan() { return [...this.#nv.scene.pan2Dxyzmm]; }

  /** 0-based slices through the crosshair by plane, in canonical order. */
  get indices() {
    const { crosshairPos } = this.#nv.scene;
    return this.#planes((axis, count) => Math.min(count - 1, Math.floor(crosshairPos[axis] * count)));
  }

  /** The crosshair: RAS+ mm, and the intensity there. */
  get reading() {
    const mm = [...this.#nv.frac2mm(this.#nv.scene.crosshairPos, 0, true)].slice(0, 3);
    return { mm, intensity: this.image.getValue(...this.image.mm2vox(mm)) };
  }

  /** Draw a view. The GPU gets only what changed, and nothing is drawn if nothing did. */
  show({ image, limits, mask, uncertainty, uncertaintyOpacity, layout, crosshair, camera, pan, indices }) {
    this.#nv.once(() => {
      const changed = [
        this.#hand(image, limits, [...(uncertainty ? [uncertainty.image] : []), mask.image], mask),
        this.#fade(uncertainty, uncertaintyOpacity),
        this.#arrange(layout),
        this.#cross(crosshair),
        this.#look({ camera, pan, indices }),
      ];
      return changed.includes(true);
    });
  }

  /** Take over the view of another pane. An empty pane does so when it is first shown. */
  follow(view) {
    if (this.image) this.#nv.once(() => this.#look(view));
  }

  /** A pen that draws on a copy of a mask; `onStroke()` is called after each stroke. */
  pen(mask, onStroke) {
    const pen = new Pen(this.#nv, onStroke);
    pen.open(mask);
    return pen;
  }

  /** The plane or rendering under a point of the window. */
  planeAt(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const scale = this.#nv.uiData.dpr;
    const tile = this.#nv.tileIndex((event.clientX - left) * scale, (event.clientY - top) * scale);
    return PLANE_OF[this.#nv.screenSlices[tile]?.axCorSag] ?? null;
  }

  /** The canvas, drawn again just now: WebGL does not keep a picture once it was shown. */
  picture() {
    this.#nv.drawScene();
    return this.canvas;
  }

  /** Give the memory of the GPU back. */
  dispose() {
    this.#nv.cleanup();
    this.#nv.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas.remove();
  }

  /** Send to the GPU the volumes that it does not have yet. */
  #hand(image, limits, layers, mask) {
    const nv = this.#nv;
    const windowed = limits[0] !== image.cal_min || limits[1] !== image.cal_max;
    const masked = mask.version !== this.#version;
    [image.cal_min, image.cal_max] = limits;
    nv.opts.atlasOutline = mask.outline;
    this.#version = mask.version;
    if (image !== this.image || layers.length + 1 !== nv.volumes.length) {
      nv.volumes = [image, ...layers];
      nv.setVolume(image, 0);
      return true;
    }
    if (windowed) nv.refreshLayers(image, 0);
    if (masked) nv.refreshLayers(mask.image, layers.length);
    return windowed || masked;
  }

  /** How strongly the confidence map is drawn. */
  #fade(uncertainty, opacity) {
    if (!uncertainty || uncertainty.image.opacity === opacity) return false;
    uncertainty.image.opacity = opacity;
    this.#nv.updateGLVolume();
    return true;
  }

  #arrange(layout) {
    if (layout === this.#layout) return false;
    this.#layout = layout;
    this.#shade(layout === LAYOUTS[0] || layout === "render");
    this.#nv.setSliceType(layout === "render" ? SLICE_TYPE.RENDER : SLICE_TYPE.MULTIPLANAR);
    this.#nv.setCustomLayout(layout === LAYOUTS[0] ? FOUR : [tile(layout, part(0, 0, 1))]);
    return true;
  }

  /** Shading needs the gradients of the volume, anew for each window, which is slow: not for slices alone. */
  #shade(wanted) {
    if (wanted === this.#shaded) return;
    this.#shaded = wanted;
    this.#nv.opts.gradientOpacity = wanted ? GLASS : 0;
    this.#nv.setVolumeRenderIllumination(wanted ? SHADING : 0);
  }

  #cross(shown) {
    const width = shown ? CROSSHAIR_MM : 0;
    if (width === this.#nv.opts.crosshairWidth) return false;
    this.#nv.opts.crosshairWidth = width;
    return true;
  }

  #look({ camera, pan, indices }) {
    const { scene } = this.#nv;
    const there = this.indices;
    const moved = Object.keys(there).some((plane) => there[plane] !== indices[plane]);
    if (!moved && same(camera, this.camera) && same(pan, this.pan)) return false;
    [scene.renderAzimuth, scene.renderElevation, scene.volScaleMultiplier] = camera;
    scene.pan2Dxyzmm.set(pan);
    this.#planes((axis, count, plane) => { scene.crosshairPos[axis] = (indices[plane] + 0.5) / count; });
    return true;
  }

  #planes(of) {
    return Object.fromEntries(Object.entries(AXIS).map(([plane, axis]) => [plane, of(axis, this.image.dimsRAS[axis + 1], plane)]));
  }
}
