// The 3-D pane: NiiVue draws the head with the regions inside. It needs WebGL2; everything else does without.

import { NVImage, Niivue, SLICE_TYPE, cmapper } from "../../vendor/niivue.js";
import { element } from "../dom.js";

// NIFTI_INTENT_LABEL makes NiiVue draw labels instead of a colour scale.
const INTENT_LABEL = 1002;
// How much the surface of the head is shaded, and how far it lets the tumour inside be seen, from 0 to 1.
const SHADING = 0.55;
const GLASS = 0.15;
// Seen from the patient's right front.
const CAMERA = [230, 15];
const OPTIONS = {
  isRadiologicalConvention: true,
  dragAndDropEnabled: false,
  crosshairWidth: 0,
  show3Dcrosshair: false,
  backColor: [0, 0, 0, 1],
  clipPlaneColor: [0, 0, 0, 0],
  loadingText: "",
  logLevel: "error",
  gradientOpacity: GLASS,
};

/** NiiVue without its own keys, since the page has keys of its own. */
class Drawing extends Niivue {
  keyDownListener() {}
  keyUpListener() {}
}

async function load(url, name) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The volume could not be loaded (${answer.status}).`);
  return NVImage.loadFromUrl({ url: await answer.arrayBuffer(), name });
}

const channel = (colour, at) => parseInt(colour.slice(1 + 2 * at, 3 + 2 * at), 16);

export class Rendering {
  #nv = new Drawing(OPTIONS);
  #modality = null;
  #mask = null;
  #shown = "";
  #regions;

  constructor(node, regions) {
    this.#regions = regions;
    this.node = node;
    this.canvas = element("canvas", { role: "img", "aria-label": "3-D rendering" });
    node.prepend(this.canvas);
  }

  /** A rendering in a pane, which shows nothing yet. */
  static async start(node, regions) {
    const made = new Rendering(node, regions);
    await made.#nv.attachToCanvas(made.canvas, true);
    made.#nv.setSliceType(SLICE_TYPE.RENDER);
    made.#nv.setRenderAzimuthElevation(...CAMERA);
    return made;
  }

  /** Show a sequence with `limits`, and the voxels `data` of the mask in the order of its file. */
  async show({ modality, url, maskUrl, limits, data, version, regions }) {
    const nv = this.#nv;
    if (!this.#mask) {
      this.#mask = await load(maskUrl, "mask.nii.gz");
      this.#mask.hdr.intent_code = INTENT_LABEL;
    }
    if (modality !== this.#modality) {
      const scan = await load(url, `${modality}.nii.gz`);
      // NiiVue may place a mask by another form of its header than the scan; it takes the scan's.
      this.#mask.hdr.affine = structuredClone(scan.hdr.affine);
      this.#mask.calculateRAS();
      this.#modality = modality;
      [scan.cal_min, scan.cal_max] = limits;
      nv.volumes = [scan, this.#mask];
      nv.setVolume(scan, 0);
      await nv.setVolumeRenderIllumination(SHADING);
      this.#shown = "";
    }
    const wanted = `${version} ${regions}`;
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    const shown = new Set(this.#regions.filter(({ key }) => regions.includes(key)).flatMap(({ values }) => values));
    for (let n = 0; n < data.length; n += 1) this.#mask.img[n] = shown.has(data[n]) ? data[n] : 0;
    this.#mask.colormapLabel = cmapper.makeLabelLut(this.#colours());
    nv.refreshLayers(this.#mask, 1);
    nv.drawScene();
    this.node.dataset.drawn = "true";
  }

  /** The canvas, drawn again just now: WebGL does not keep a picture once it was shown. */
  picture() {
    this.#nv.drawScene();
    return this.canvas;
  }

  /** Give the memory of the graphics card back. */
  dispose() {
    this.#nv.cleanup();
    this.#nv.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas.remove();
  }

  #colours() {
    const entries = this.#regions.flatMap((region) => region.values.map((value) => ({ ...region, value })));
    const of = (at) => [0, ...entries.map(({ colour }) => channel(colour, at))];
    return { I: [0, ...entries.map(({ value }) => value)], R: of(0), G: of(1), B: of(2), A: [0, ...entries.map(() => 255)] };
  }
}
