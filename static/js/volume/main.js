// The 3-D viewer of the case page. What it shares with the rendered slices (position, sequence,
// regions, opacity, outline, crosshair) stays in the controls of viewer.js; what it adds is `own`,
// kept behind # in the address. NiiVue is loaded when the viewer is first opened.

import { part } from "../dom.js";
import { wireKeys } from "../keys.js";
import { PLANES } from "../view-state.js";
import { SEQUENCE_TITLES, draw, makeCurrent, moveTo, readState, step } from "../viewer.js";
import { DEFAULTS, LAYOUTS, PRESETS, formatHash, parseHash } from "./address.js";
import { Cine } from "./cine.js";
import { Correction } from "./correction.js";
import { compose, download } from "./picture.js";
import { hasFastWebGL2, hasWebGL2 } from "./webgl.js";

// Browsers refuse a page that rewrites its address too often.
const ADDRESS_DELAY_MS = 250;
const HAND = "hand";
// Where the browser remembers whether the reader last opened or closed this viewer; the next case begins so.
const CHOICE = "volume-viewer";

const viewer = document.getElementById("viewer");
const planes = part(viewer, "planes");
const volume = part(viewer, "volume-viewer");
const button = part(viewer, "volume-open");
const controls = document.getElementById("volume-controls").elements;
const compareBox = controls.namedItem("compare");
const [playButton, screenButton] = ["volume-play", "volume-screen"].map((name) => part(volume, name));
const urls = {
  volumes: JSON.parse(volume.dataset.volumes), mask: volume.dataset.mask,
  masks: volume.dataset.masks, confidence: volume.dataset.confidence, base: viewer.dataset.mask,
};
const regions = JSON.parse(volume.dataset.regions);
const modalities = Object.keys(urls.volumes);

const correctButton = part(volume, "volume-correct");
const correction = new Correction(part(volume, "correction"), correctButton, {
  regions, values: JSON.parse(volume.dataset.values), urls, onStroke: tellReading,
});

let own = { ...DEFAULTS };
let stage = null;
let pointed = "axial";
let addressTimer = 0;

function say(text, failed = false) {
  const node = part(volume, "volume-status");
  node.textContent = text;
  node.classList.toggle("volume-status-error", failed);
}

/** Take over some of the state, and show it. */
function change(changes) {
  own = { ...own, ...changes };
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const { pathname, search } = window.location;
    window.history.replaceState(null, "", `${pathname}${search}${formatHash(own)}`);
  }, ADDRESS_DELAY_MS);
  return own.open ? show() : undefined;
}

// A window set by hand belongs to one sequence, a preset to all.
const windowOf = (modality, presets) => own.windows[modality] ?? presets[own.preset];

async function show() {
  const look = readState();
  controls.namedItem("layout").value = own.layout;
  if (compareBox) compareBox.checked = own.compare;
  controls.namedItem("preset").value = own.windows[look.modality] ? HAND : own.preset;
  try {
    stage ??= await makeStage();
    await stage.show({
      ...own,
      // While it is corrected, the drawing is shown and not the mask.
      look: correction.active ? { ...look, regions: [] } : look,
      windowOf,
      modalities: own.compare ? modalities : [look.modality],
    });
    viewer.classList.remove("volume-loading");
    correction.look(look);
    say("");
    tellReading();
  } catch (error) {
    fail(error.message);
  }
}

async function makeStage() {
  say("Loading the volumes …");
  const { Stage } = await import("./stage.js");
  const events = { onView: followHand, onWindow: windowByHand, onPlane: point, onLost: () => fail("The graphics card stopped drawing.") };
  return new Stage(part(volume, "volume-panes"), {
    urls, regions, titles: SEQUENCE_TITLES, uncertaintyScale: JSON.parse(volume.dataset.uncertainty), events,
  });
}

/** Whatever goes wrong, the rendered slices are shown instead. */
function fail(reason) {
  if (correction.dirty) {
    say(`${reason} What you have drawn can still be saved.`, true);
    return;
  }
  close();
  button.textContent = "3-D viewer failed";
  button.title = `${reason} The pictures below come from the server.`;
  button.disabled = true;
}

function tellReading() {
  const { mm, modality, intensity, region: marked, confidence } = stage.reading;
  const region = correction.active ? correction.region : marked;
  // Signed, because zero of a scanner's or an atlas' coordinates is not the middle of the head.
  const place = mm.map((value) => value.toFixed(1).replace("-", "−")).join(", ");
  const value = Number.isInteger(intensity) ? intensity : Number(intensity.toPrecision(4));
  const sure = confidence === undefined ? "" : ` · confidence ${confidence.toFixed(2)}`;
  const { index } = readState();
  const slices = PLANES.map((plane) => `${plane} ${index[plane] + 1}`).join(", ");
  part(volume, "volume-reading").textContent = `Slices ${slices} · RAS ${place} mm · ${SEQUENCE_TITLES[modality]} ${value} · ${region ?? "No region"}${sure}`;
}

// What happens on the stage

function followHand({ camera, pan, indices }) {
  moveTo(indices);
  change({ camera, pan });
}

function windowByHand(modality, limits) {
  change({ windows: { ...own.windows, [modality]: limits } });
}

function point(plane) {
  if (plane === "render" || plane === pointed) return;
  pointed = plane;
  makeCurrent(plane);
}

// Opening and closing

function open() {
  if (own.open || button.disabled) return;
  planes.inert = true;
  volume.hidden = false;
  // The rendered slices stay in sight until the volumes are there.
  viewer.classList.toggle("volume-loading", stage === null);
  button.setAttribute("aria-pressed", "true");
  change({ open: true });
}

function close() {
  if (!own.open || !leaveCorrection()) return;
  cine.stop();
  viewer.classList.remove("volume-loading");
  volume.hidden = true;
  planes.inert = false;
  button.setAttribute("aria-pressed", "false");
  change({ open: false });
  draw();
}

// Correcting

async function correct() {
  // A case of another user can only be read.
  if (correctButton.disabled) return;
  if (correction.active) {
    leaveCorrection();
    return;
  }
  cine.stop();
  // Drawing needs a single pane, and a plane in it.
  await change({ compare: false, layout: own.layout === "render" ? "axial" : own.layout });
  if (!own.open) return;
  correction.start(stage);
  volume.classList.add("correcting");
  if (compareBox) compareBox.disabled = true;
  await show();
}

/** Stop correcting, and ask first if strokes are not saved. Returns whether it was stopped. */
function leaveCorrection() {
  if (!correction.active) return true;
  if (correction.saving) return false;
  if (correction.dirty && !window.confirm("Discard what you have drawn?")) return false;
  correction.stop();
  volume.classList.remove("correcting");
  if (compareBox) compareBox.disabled = false;
  if (own.open) show();
  return true;
}

// Buttons and keys

const cine = new Cine(playOn, (playing) => {
  playButton.setAttribute("aria-pressed", String(playing));
  playButton.textContent = playing ? "Stop" : "Play";
});

/** Show the next slice of the plane that is looked at; the first follows the last. */
function playOn() {
  const plane = own.layout in readState().index ? own.layout : pointed;
  const before = readState().index[plane];
  step(plane, 1);
  if (readState().index[plane] === before) moveTo({ [plane]: 0 });
}

const next = (list, value) => list[(list.indexOf(value) + 1) % list.length];
const choosePreset = (preset) => change({ preset, windows: {} });
const chooseLayout = (layout) => change({ layout });

/** Sequences are compared in one plane: four views of each would be tiny. */
const chooseCompare = (compare) => change({ compare, layout: compare && own.layout === LAYOUTS[0] ? "axial" : own.layout });

function reset() {
  cine.stop();
  change({ ...DEFAULTS, layout: correction.active ? "axial" : DEFAULTS.layout, open: true });
}

function takePicture() {
  const { name } = volume.dataset;
  const area = part(volume, "volume-panes");
  const paper = compose(area, stage.pictures(), `${name} · ${part(volume, "volume-reading").textContent}`);
  download(paper, `${name.replaceAll(/[^\p{L}\p{N}_-]+/gu, "_")}.png`);
}

function toggleScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else viewer.requestFullscreen();
}

/** Open or close as the reader asks, and remember it. */
function toggle() {
  if (own.open) close();
  else open();
  // Browsers may keep a page from storing anything.
  try { window.localStorage.setItem(CHOICE, own.open ? "open" : "closed"); } catch { /* Not remembered. */ }
}

/** Whether to open at once: as the reader last chose, or else if there is a graphics card. */
function chosen() {
  let choice = null;
  try { choice = window.localStorage.getItem(CHOICE); } catch { /* Not remembered. */ }
  return choice === null ? hasFastWebGL2() : choice === "open";
}

const whenOpen = (action) => () => { if (own.open && stage) action(); };
const ACTIONS = {
  "volume-play": [() => cine.toggle(), "k"],
  "volume-reset": [reset, "r"],
  "volume-picture": [takePicture, "p"],
  "volume-screen": [toggleScreen, "f"],
  "volume-correct": [correct, "b"],
};

function wire() {
  button.classList.add("ready");
  button.addEventListener("click", toggle);
  for (const radio of controls.namedItem("layout")) radio.addEventListener("change", () => chooseLayout(radio.value));
  compareBox?.addEventListener("change", () => chooseCompare(compareBox.checked));
  controls.namedItem("preset").addEventListener("change", ({ target }) => choosePreset(target.value));
  for (const [name, [action]] of Object.entries(ACTIONS)) part(volume, name).addEventListener("click", whenOpen(action));
  wireKeys({
    v: toggle,
    g: whenOpen(() => compareBox && !correction.active && chooseCompare(!own.compare)),
    z: whenOpen(() => correction.undo()),
    t: whenOpen(() => chooseLayout(next(LAYOUTS, own.layout))),
    w: whenOpen(() => choosePreset(next(PRESETS, own.preset))),
    ...Object.fromEntries(Object.values(ACTIONS).map(([action, key]) => [key, whenOpen(action)])),
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "z" || !correction.active) return;
    event.preventDefault();
    correction.undo();
  });
  viewer.addEventListener("view", () => { if (own.open) show(); });
  document.addEventListener("fullscreenchange", () => {
    screenButton.setAttribute("aria-pressed", String(document.fullscreenElement === viewer));
  });
  const wanted = parseHash(window.location.hash, modalities);
  own = { ...wanted, open: false };
  if (wanted.open || chosen()) open();
}

if (hasWebGL2()) wire();
