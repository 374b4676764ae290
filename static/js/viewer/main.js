// The workstation on the page of a finished case. The page's form holds what the server's pictures know (sequence,
// regions, opacity, outline, confidence); `state` adds the rest. A change draws the panes in the next frame and is
// written into the address, so that a view can be shared. Until the volumes are there, and without scripts, the
// server's slices are shown.

import { element, part } from "../dom.js";
import { wireKeys } from "../keys.js";
import { localTime } from "../text.js";
import { LAYOUTS, REGIONS, formatQuery, parseQuery, reportQuery } from "./address.js";
import { Cine } from "./cine.js";
import { Correction } from "./correction.js";
import { readDraft } from "./draft.js";
import { PLANES, clamp, rounded, toPlane } from "./geometry.js";
import { heldKeys, wireGestures } from "./gestures.js";
import { Idle } from "./idle.js";
import { LesionNames, lesionsOf } from "./lesions.js";
import { Marker } from "./marker.js";
import { compose, download } from "./picture.js";
import { Stage } from "./stage.js";
import { hasFastWebGL2, hasWebGL2 } from "./webgl.js";
import { PRESETS, dragged } from "./window.js";

// Browsers refuse a page that rewrites its address too often.
const ADDRESS_DELAY_MS = 250;
const LESIONS_DELAY_MS = 400;
// So long nothing is drawn before the 3-D pane is.
const QUIET_MS = 500;
const [LEAST_ZOOM, MOST_ZOOM] = [0.4, 20];
const REMEMBERED = "viewer-layout";
const THREE_D = "viewer-three-d";
// The share of the window that the brush takes around the intensity at the crosshair.
const BRUSH_RANGE = 0.12;

const viewer = document.getElementById("viewer");
const stageNode = part(viewer, "stage");
const panesNode = part(viewer, "panes");
const data = JSON.parse(stageNode.dataset.viewer);
const look = document.getElementById("view").elements;
const work = document.getElementById("work").elements;
const modalities = Object.keys(data.volumes);
const layouts = Object.keys(LAYOUTS).filter((layout) => layout !== "prior" || data.priors.length);
const regionBoxes = Object.fromEntries([...viewer.querySelectorAll('input[type="checkbox"][name="regions"]')].map((box) => [box.value, box]));
const confidenceBox = look.namedItem("confidence");
const crosshairBox = part(viewer, "crosshair");
const help = part(viewer, "shortcuts");
const charts = [...viewer.querySelectorAll("[data-chart]")];
const reports = [...viewer.querySelectorAll("[data-report]")];
const jumps = [...viewer.querySelectorAll("[data-indices]")];

const recall = (name) => { try { return window.localStorage.getItem(name); } catch { return null; } };
const remember = (name, value) => { try { window.localStorage.setItem(name, value); } catch { /* Not remembered. */ } };

// On a phone four panes would be too small.
const isPhone = window.matchMedia("(max-width: 640px)").matches;
const DEFAULTS = { layout: isPhone ? "one" : "planes", plane: "axial", preset: "lesion", prior: data.priors[0]?.id };
const remembered = recall(REMEMBERED);
const known = { modalities, layouts, priors: data.priors.map(({ id }) => id) };
const held = heldKeys();
const state = {
  ...parseQuery(window.location.search, known, { ...DEFAULTS, layout: layouts.includes(remembered) ? remembered : DEFAULTS.layout }),
  index: Object.fromEntries(PLANES.map((plane) => [plane, Number(look.namedItem(plane).value)])),
  tool: "crosshair",
};
let hidden = null;
let before = null;
let frame = 0;
let addressTimer = 0;
let lesionsTimer = 0;
let lesionNames = null;
let pointer = null;
let rendering = null;
let node3d = null;
let wanted3d = false;
let ready = false;

const isFast = hasFastWebGL2();
const stage = new Stage(panesNode, data, wirePane, isFast);
const drawing3d = new Idle(draw3d, QUIET_MS);
const correction = new Correction(part(viewer, "correction"), data, {
  get grid() { return stage.grid; },
  get plane() { return state.plane; },
  onChange: maskChanged,
  onState: draw,
  onSaved: reload,
  range: () => {
    const { modality } = readState();
    const [black, white] = stage.limitsOf(modality, state);
    const { value } = stage.reading(crosshairPoint(), modality);
    return [value - (white - black) * BRUSH_RANGE, value + (white - black) * BRUSH_RANGE];
  },
});
const marker = new Marker(part(viewer, "annotations"), data, {
  get grid() { return stage.grid; },
  volumeOf: (modality) => stage.volumeOf(modality),
  modality: () => readState().modality,
  onChange: draw,
  jump: (item) => {
    state.plane = item.plane;
    moveTo({ [item.plane]: item.slice });
  },
});

// State

function readState() {
  return Object.assign(state, {
    modality: look.namedItem("modality").value,
    regions: REGIONS.filter((key) => regionBoxes[key].checked),
    opacity: Number(look.namedItem("opacity").value),
    outline: look.namedItem("outline").value === "1",
    confidence: Boolean(confidenceBox?.checked),
    crosshair: crosshairBox.checked,
  });
}

const crosshairPoint = () => [state.index.sagittal, state.index.coronal, state.index.axial];

/** The panes of a layout. Where there is no 3-D, the fourth place shows the axial plane of another sequence. */
function panesOf({ layout, plane, modality }) {
  if (layout === "one") return [{ plane, modality }];
  if (layout === "sequences") return modalities.map((other) => ({ plane, modality: other }));
  if (layout === "prior") return [...(stage.prior?.has(modality) ? [{ plane, modality, time: "prior" }] : []), { plane, modality }];
  const second = modality === "t1ce" || !modalities.includes("t1ce") ? modalities.find((other) => other !== modality) : "t1ce";
  return [
    { plane: "axial", modality }, { plane: "coronal", modality }, { plane: "sagittal", modality },
    ...(wanted3d || !second ? [] : [{ plane: "axial", modality: second }]),
  ];
}

/** Have the panes and volumes of the state, and draw. Of several requests the last counts. */
let arranging = null;
function show() {
  stageNode.dataset.busy = "true";
  arranging ??= (async () => {
    try {
      let specs;
      let note = "";
      do {
        if (readState().layout === "prior") note = await loadPrior();
        specs = panesOf(state);
        await Promise.all([...new Set(specs.map(({ modality }) => modality))].map((modality) => stage.loadScan(modality)));
        if (state.confidence) await stage.loadConfidence();
      } while (JSON.stringify(specs) !== JSON.stringify(panesOf(readState())));
      stage.arrange(specs, state.layout === "one" || (state.layout === "prior" && isPhone) ? 1 : Math.min(specs.length, 2));
      reveal();
      place3d();
      say(note);
      drawNow();
      stageNode.dataset.busy = "false";
    } catch (error) {
      fail(error.message);
    } finally {
      arranging = null;
    }
  })();
  return arranging;
}

/** Have what the layout with the prior needs; without it, go back. Returns what is to be said. */
async function loadPrior() {
  const wanted = data.priors.find(({ id }) => id === state.prior);
  const { modality } = state;
  if (stage.prior?.id !== wanted.id || !stage.prior.volumeOf(modality)) say(`Registering the prior (${wanted.day}) …`);
  try {
    await stage.loadScan(modality);
    await stage.loadPrior(wanted, modality);
  } catch (error) {
    state.layout = DEFAULTS.layout;
    return [error.message, error.hint].filter(Boolean).join(" ");
  }
  if (!stage.prior.has(modality)) return `The prior (${wanted.day}) has no ${data.titles[modality]}.`;
  const { gained_ml: gained, lost_ml: lost } = stage.prior.changes.whole_tumor;
  return state.change ? `Whole tumour since the prior (${wanted.day}): ${gained.toFixed(1)} mL gained, ${lost.toFixed(1)} mL lost` : "";
}

function draw() {
  drawing3d.postpone();
  if (!ready || frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    drawNow();
  });
}

function drawNow() {
  const { modality } = readState();
  const showsEnhancing = state.regions.includes("enhancing");
  stage.draw(state, {
    whoOf,
    marksOf: (pane, index) => (pane.time === "now" ? marker.marksFor(pane, index, showsEnhancing) : []),
    brushOf: (pane) => (correction.active && pane.time === "now" && pointer?.pane === pane ? { ...correction.cursor, pixel: pointer.pixel } : null),
  });
  tell(modality);
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, ADDRESS_DELAY_MS);
}

function writeAddress() { window.history.replaceState(null, "", `?${formatQuery(state, DEFAULTS)}`); }

/** Load the page again, as it looks now. */
function reload() {
  writeAddress();
  window.location.reload();
}

/** A report shows its key images as they were read. */
function linkReports() {
  const windows = reportQuery(stage.windowsOf(state));
  for (const link of reports) link.href = `${link.dataset.report}?${windows}`;
}

/** Whose picture a pane shows; beside the prior, of which day. */
function whoOf({ time }) {
  const name = stageNode.dataset.patient || data.name;
  if (state.layout !== "prior") return name;
  return time === "prior" ? `Prior · ${stage.prior.day} · ${stage.prior.name}` : `Current · ${data.day} · ${name}`;
}

function tell(modality) {
  for (const [name, value] of [["layout", state.layout], ["plane", state.plane], ["tool", state.tool]]) work.namedItem(name).value = value;
  for (const node of viewer.querySelectorAll('[data-part="of-prior"]')) node.hidden = state.layout !== "prior";
  work.namedItem("preset").value = state.windows[modality] ? "hand" : state.preset;
  part(viewer, "opacity").textContent = `${Math.round(100 * state.opacity)} %`;
  part(viewer, "toggle-all").textContent = state.regions.length ? "Hide all" : "Show all";
  for (const plane of PLANES) look.namedItem(plane).value = state.index[plane];
  for (const chart of charts) {
    const [now, place] = [part(chart, "now"), String(state.index[chart.dataset.chart] + 0.5)];
    // A whole chart is painted anew for each change.
    if (now.getAttribute("x1") !== place) for (const name of ["x1", "x2"]) now.setAttribute(name, place);
  }
  linkReports();
  const { mm, value, region, confidence } = stage.reading(crosshairPoint(), modality);
  // Signed, because zero of a scanner's or an atlas' coordinates is not the middle of the head.
  const place = mm.map((found) => found.toFixed(1).replace("-", "−")).join(", ");
  const number = Number.isInteger(value) ? value : Number(value.toPrecision(4));
  const sure = state.confidence && confidence !== null ? ` · confidence ${confidence.toFixed(2)}` : "";
  part(viewer, "reading").textContent = `RAS ${place} mm · ${data.titles[modality]} ${number} · ${region ?? "No region"}${sure}`;
}

function say(text) { part(viewer, "status").textContent = text; }

/** The volumes are there: the panes take the place of the server's slices. */
function reveal() {
  if (ready) return;
  ready = true;
  panesNode.hidden = false;
  part(viewer, "planes").hidden = true;
  new ResizeObserver(() => {
    stage.resized();
    draw();
  }).observe(panesNode);
  listLesions();
}

/** Without volumes the page works as it does without scripts. */
function fail(reason) {
  if (ready) {
    say(reason);
    return;
  }
  document.documentElement.classList.remove("js");
  part(viewer, "planes").hidden = false;
  stageNode.dataset.busy = "false";
}

// Moving

function moveTo(indices) {
  for (const [plane, index] of Object.entries(indices)) state.index[plane] = clamp(index, 0, stage.counts[plane] - 1);
  follow();
  draw();
}

/** A slice that is jumped to stays in sight when the picture is zoomed. */
function follow() {
  if (state.centre) state.centre = crosshairPoint().map((value, axis) => (inSight(axis, value) ? state.centre[axis] : value));
}

function inSight(axis, value) {
  const pane = stage.panes[0].size;
  const reach = Math.min(pane.width, pane.height) / 2 / (stage.fit * state.zoom) / stage.grid.spacing[axis];
  return Math.abs(value - state.centre[axis]) < reach;
}

const step = (by, plane = state.plane) => moveTo({ [plane]: state.index[plane] + by });

function pointAt(point) {
  const [sagittal, coronal, axial] = rounded(point, stage.grid);
  moveTo({ sagittal, coronal, axial });
}

function zoom(pane, factor, pixel) {
  const fixed = pane.pointAt(pixel);
  const next = clamp(state.zoom * factor, LEAST_ZOOM, MOST_ZOOM);
  const share = 1 - state.zoom / next;
  const centre = state.centre ?? stage.centre;
  state.zoom = next;
  // What is under the pointer stays there.
  const through = { axial: 2, coronal: 1, sagittal: 0 }[pane.plane];
  state.centre = centre.map((value, axis) => (axis === through ? value : value + (fixed[axis] - value) * share));
  draw();
}

function pan(pane, dx, dy) {
  const scale = stage.fit * state.zoom;
  const centre = state.centre ?? stage.centre;
  const { x, y } = toPlane(pane.plane, centre, stage.grid);
  const moved = { x: x - dx / scale, y: y - dy / scale };
  const [across, down] = { axial: [0, 1], coronal: [0, 2], sagittal: [1, 2] }[pane.plane];
  const { shape, spacing } = stage.grid;
  state.centre = [...centre];
  state.centre[across] = shape[across] - 0.5 - moved.x / spacing[across];
  state.centre[down] = shape[down] - 0.5 - moved.y / spacing[down];
  draw();
}

function dragWindow(modality, dx, dy) {
  state.windows[modality] = dragged(stage.limitsOf(modality, state), dx, dy, stage.rangeOf(modality));
  draw();
}

function makeCurrent(plane) {
  if (state.plane === plane) return;
  state.plane = plane;
  if (state.layout === "planes") draw();
  else show();
}

function enlarge(pane) {
  // While it draws, a double click is two strokes.
  if (correction.active || state.tool !== "crosshair") return;
  if (state.layout === "one") state.layout = before ?? "planes";
  else {
    before = state.layout;
    state.layout = "one";
    state.plane = pane.plane;
    look.namedItem("modality").value = pane.modality;
  }
  show();
}

function reset() {
  cine.stop();
  Object.assign(state, { zoom: 1, centre: null, windows: {}, preset: DEFAULTS.preset, tool: "crosshair" });
  draw();
}

function wirePane(pane) {
  const { node, canvas, slider, modality, plane } = pane;
  // On the earlier case nothing is drawn: marks and masks are those of the current one.
  const isNow = pane.time === "now";
  let dragging = null;
  node.addEventListener("focus", () => makeCurrent(plane));
  slider.addEventListener("input", () => moveTo({ [plane]: Number(slider.value) }));
  wireGestures(canvas, held, {
    step: (slices) => {
      state.plane = plane;
      step(slices, plane);
    },
    zoom: (factor, pixel) => zoom(pane, factor, pixel),
    pan: (dx, dy) => pan(pane, dx, dy),
    window: (dx, dy) => dragWindow(modality, dx, dy),
    enlarge: () => { if (isNow) enlarge(pane); },
    hover: (pixel) => {
      pointer = { pane, pixel };
      if (state.layout === "planes") makeCurrent(plane);
      if (marker.busy && isNow) marker.move(pane.pointAt(pixel));
      else if (correction.active) draw();
    },
    leave: () => {
      pointer = null;
      draw();
    },
    start: (pixel) => {
      node.focus({ preventScroll: true });
      makeCurrent(plane);
      const point = pane.pointAt(pixel);
      pointer = { pane, pixel };
      if (correction.active && isNow) {
        dragging = "pen";
        correction.start(pane, point, stage.volumeOf(modality));
      } else if (isNow && marker.start(state.tool, pane, state.index[plane], point, pixel, state.regions.includes("enhancing"))) dragging = "mark";
      else if (state.tool === "window") dragging = { ...pixel };
      else {
        dragging = "crosshair";
        pointAt(point);
      }
      draw();
    },
    move: (pixel) => {
      pointer = { pane, pixel };
      const point = pane.pointAt(pixel);
      if (dragging === "pen") correction.move(point);
      else if (dragging === "mark") marker.move(point);
      else if (dragging === "crosshair") pointAt(point);
      else if (dragging) {
        dragWindow(modality, pixel.x - dragging.x, dragging.y - pixel.y);
        dragging = { ...pixel };
      }
    },
    end: () => {
      if (dragging === "pen") correction.end();
      else if (dragging === "mark") marker.end();
      dragging = null;
    },
  });
}

// The mask

function maskChanged(change) {
  stage.touch();
  draw();
  if (!change) return;
  const volumes = stage.volumesMl();
  const { edema, enhancing, core } = volumes;
  const all = { ...volumes, tumor_core: enhancing + core, whole_tumor: edema + enhancing + core };
  for (const cell of viewer.querySelectorAll("[data-volume]")) cell.textContent = all[cell.dataset.volume].toFixed(1);
  clearTimeout(lesionsTimer);
  lesionsTimer = setTimeout(() => {
    listLesions();
    if (node3d) drawing3d.want();
  }, LESIONS_DELAY_MS);
}

function listLesions() {
  const body = part(viewer, "lesions");
  if (!body) return;
  const found = lesionsOf(stage.grid, stage.mask.data, data.affine, data.brain_centre_mm);
  lesionNames ??= new LesionNames(stage.grid, found, data.lesions);
  body.replaceChildren(...lesionNames.named(found).map(({ number, ml, side, diameter, slice, point }) => {
    const jump = element("button", { class: "button button-small button-quiet", type: "button" }, number ? `Lesion ${number}` : "New");
    jump.addEventListener("click", () => moveTo({ sagittal: point[0], coronal: point[1], axial: point[2] }));
    return element("tr", {}, element("th", { scope: "row" }, jump), element("td", {}, side),
      element("td", { class: "number" }, ml.toFixed(1)), element("td", { class: "number", title: `Axial slice ${slice + 1}` }, diameter.toFixed(0)));
  }));
}

function correct() {
  if (!data.may_change || correction.saving) return;
  cine.stop();
  state.tool = "crosshair";
  marker.cancel();
  correction.toggle(!correction.active);
  part(viewer, "correct").setAttribute("aria-pressed", String(correction.active));
  stage.resized();
  draw();
}

// The 3-D pane

/** Give the 3-D pane its place after the others, or take it away. It is drawn when the reader pauses. */
function place3d() {
  if (!wanted3d || state.layout !== "planes") {
    rendering?.dispose();
    rendering = null;
    node3d?.remove();
    node3d = null;
    return;
  }
  node3d ??= element("section", { class: "pane pane-render", "aria-label": "3-D" }, element("span", { class: "pane-title" }, "3-D"));
  panesNode.append(node3d);
  drawing3d.want();
}

async function draw3d() {
  const node = node3d;
  if (!node) return;
  const { modality, regions } = readState();
  try {
    const { Rendering } = await import("./rendering.js");
    const found = rendering ?? await Rendering.start(node, data.regions);
    await found.show({
      modality, regions, url: data.volumes[modality], maskUrl: `${data.masks}/${data.base}.nii.gz`,
      limits: stage.limitsOf(modality, state), data: stage.mask.data, version: stage.version,
    });
    if (node === node3d) rendering = found;
    else found.dispose();
  } catch {
    if (node !== node3d) return;
    // Everything else goes on without it.
    wanted3d = false;
    show();
  }
}

// Actions of keys and buttons

function toggleRegion(key) {
  regionBoxes[key].checked = !regionBoxes[key].checked;
  hidden = null;
  lookChanged();
}

/** Hide all regions, or show those again that were hidden. */
function toggleAll() {
  const shown = REGIONS.filter((key) => regionBoxes[key].checked);
  const wanted = shown.length ? [] : (hidden ?? REGIONS);
  hidden = shown.length ? shown : null;
  for (const key of REGIONS) regionBoxes[key].checked = wanted.includes(key);
  lookChanged();
}

function lookChanged() {
  draw();
  if (node3d) drawing3d.want();
}

function choose(name, value) {
  look.namedItem(name).value = value;
  show();
}

function changeOpacity(by) {
  const opacity = look.namedItem("opacity");
  opacity.value = Number(opacity.value) + by;
  draw();
}

function tick(box) {
  if (!box) return;
  box.checked = !box.checked;
  show();
}

function chooseLayout(layout) {
  state.layout = layout;
  before = null;
  remember(REMEMBERED, layout);
  show();
}

function choosePreset(preset) {
  Object.assign(state, { preset, windows: {} });
  draw();
}

function chooseTool(tool) {
  marker.cancel();
  if (correction.active) correct();
  state.tool = tool;
  draw();
}

const next = (list, value) => list[(list.indexOf(value) + 1) % list.length];

const cine = new Cine(() => {
  const { plane, index } = state;
  moveTo({ [plane]: index[plane] + 1 < stage.counts[plane] ? index[plane] + 1 : 0 });
}, (playing) => {
  part(viewer, "play").setAttribute("aria-pressed", String(playing));
  part(viewer, "play").textContent = playing ? "Stop" : "Play";
});

function takePicture() {
  drawNow();
  const pictures = [...stage.panes.map(({ canvas, node }) => ({ canvas, node })), ...(rendering ? [{ canvas: rendering.picture(), node: rendering.node }] : [])];
  const paper = compose(panesNode, pictures, `${data.name} · ${part(viewer, "reading").textContent}`);
  download(paper, `${data.name.replaceAll(/[^\p{L}\p{N}_-]+/gu, "_")}.png`);
}

function toggleScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else viewer.requestFullscreen();
}

const targetOf = (jump) => JSON.parse(jump.dataset.indices);
const largest = part(viewer, "largest");
/** While it corrects, a key means the pen; otherwise `otherwise`. */
const penOr = (pen, otherwise) => () => {
  if (correction.active) {
    correction.choose(pen);
    draw();
  } else otherwise();
};
const correcting = (action) => () => { if (correction.active) action(); };

function wireControls() {
  const on = (name, action) => part(viewer, name)?.addEventListener("click", action);
  for (const name of ["modality", "outline"]) for (const radio of look.namedItem(name)) radio.addEventListener("change", () => show());
  look.namedItem("opacity").addEventListener("input", draw);
  for (const box of Object.values(regionBoxes)) box.addEventListener("change", () => { hidden = null; lookChanged(); });
  confidenceBox?.addEventListener("change", () => show());
  crosshairBox.addEventListener("change", draw);
  for (const radio of work.namedItem("layout")) radio.addEventListener("change", () => chooseLayout(radio.value));
  for (const radio of work.namedItem("plane")) radio.addEventListener("change", () => makeCurrent(radio.value));
  for (const radio of work.namedItem("tool")) radio.addEventListener("change", () => chooseTool(radio.value));
  work.namedItem("prior")?.addEventListener("change", ({ target }) => {
    state.prior = target.value;
    target.blur();
    show();
  });
  work.namedItem("change")?.addEventListener("change", ({ target }) => {
    state.change = target.checked;
    show();
  });
  const preset = work.namedItem("preset");
  preset.addEventListener("change", () => {
    choosePreset(preset.value);
    // Arrow keys are for the slices again.
    preset.blur();
  });
  work.namedItem("three_d")?.addEventListener("change", ({ target }) => {
    wanted3d = target.checked;
    remember(THREE_D, wanted3d ? "1" : "0");
    show();
  });
  on("toggle-all", toggleAll);
  on("help", () => help.showModal());
  on("correct", correct);
  on("play", () => cine.toggle());
  on("reset", reset);
  on("picture", takePicture);
  on("screen", toggleScreen);
  // A choice made with the pointer gives the arrow keys back to the slices; made with a key, it keeps them.
  viewer.addEventListener("click", ({ detail, target }) => {
    if (detail && target.matches("input[type=radio], input[type=checkbox]")) target.blur();
  });
  for (const jump of jumps) {
    jump.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      moveTo(targetOf(jump));
    });
  }
  document.addEventListener("fullscreenchange", () => {
    part(viewer, "screen").setAttribute("aria-pressed", String(document.fullscreenElement === viewer));
  });
}

function wireAllKeys() {
  wireKeys({
    ArrowUp: () => step(1), ArrowRight: () => step(1), ArrowDown: () => step(-1), ArrowLeft: () => step(-1),
    PageUp: () => step(10), PageDown: () => step(-10),
    Home: () => moveTo({ [state.plane]: 0 }), End: () => moveTo({ [state.plane]: stage.counts[state.plane] - 1 }),
    a: () => makeCurrent("axial"), s: () => makeCurrent("coronal"), d: () => makeCurrent("sagittal"),
    ...Object.fromEntries(modalities.map((modality, n) => [n + 1, () => choose("modality", modality)])),
    e: penOr("edema", () => toggleRegion("edema")), n: penOr("enhancing", () => toggleRegion("enhancing")), c: penOr("core", () => toggleRegion("core")),
    0: penOr("erase", () => {}),
    h: toggleAll,
    o: () => choose("outline", look.namedItem("outline").value === "1" ? "0" : "1"),
    "[": () => changeOpacity(-0.1), "]": () => changeOpacity(0.1),
    u: () => tick(confidenceBox), x: () => tick(crosshairBox),
    l: () => { if (largest) moveTo(targetOf(largest)); },
    v: () => chooseLayout(next(layouts, state.layout)),
    g: () => choosePreset(next(Object.keys(PRESETS), state.preset)),
    5: () => chooseTool("window"), 6: () => chooseTool("ruler"), 7: () => chooseTool("angle"), 8: () => chooseTool("ellipse"), 9: () => chooseTool("arrow"),
    Escape: () => chooseTool("crosshair"), Delete: () => marker.remove(), Backspace: () => marker.remove(),
    k: () => cine.toggle(), r: reset, p: takePicture, f: toggleScreen, b: correct,
    z: correcting(() => correction.undo()), y: correcting(() => correction.redo()),
    ",": correcting(() => correction.resize(-1)), ".": correcting(() => correction.resize(1)),
    j: correcting(() => correction.tick("ball")), t: correcting(() => correction.tick("threshold")), "/": correcting(() => correction.tick("fill")),
    i: correcting(() => correction.interpolate()), q: correcting(() => correction.removeIslands()), m: correcting(() => correction.smooth()),
    "?": () => help.showModal(),
  });
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || !correction.active || !["z", "y"].includes(key)) return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) correction.redo();
    else correction.undo();
  });
  // Before the keys without Shift, which would take a pen.
  document.addEventListener("keydown", (event) => {
    const key = { E: "edema", N: "enhancing", C: "core" }[event.key];
    if (!event.shiftKey || event.ctrlKey || event.metaKey || !key || !correction.active) return;
    event.preventDefault();
    const box = viewer.querySelector(`[name="lock"][value="${key}"]`);
    box.checked = !box.checked;
  }, true);
}

async function start() {
  for (const time of viewer.querySelectorAll("time")) time.textContent = localTime(time.dateTime);
  // On reload a browser may restore values of the form that differ from what the address says.
  crosshairBox.checked = state.crosshair;
  if (data.priors.length) {
    work.namedItem("prior").value = state.prior;
    work.namedItem("change").checked = state.change;
  }
  if (data.three_d && hasWebGL2()) {
    part(viewer, "three-d").hidden = false;
    const choice = recall(THREE_D);
    wanted3d = choice === null ? isFast : choice === "1";
    work.namedItem("three_d").checked = wanted3d;
  }
  try {
    let draft = await readDraft(data.id);
    await stage.loadMask(draft?.base ?? data.base).catch(() => {
      draft = null;
      return stage.loadMask(data.base);
    });
    await show();
    if (!ready) return;
    wireControls();
    wireAllKeys();
    if (correction.begin(stage.mask, draft)) {
      correct();
      say("What you had drawn and not saved is here again.");
    }
    marker.load().then(draw, (error) => say(error.message));
    // What may be wanted next, one by one.
    for (const modality of modalities) {
      await stage.loadScan(modality);
      linkReports();
    }
  } catch (error) {
    fail(error.message);
  }
}

start();
