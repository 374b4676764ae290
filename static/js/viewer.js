// The viewer over server-rendered slices. The form's controls hold the state; a change draws the
// pictures anew, moves the crosshairs and is written into the address, so that a view can be shared.
// The 3-D viewer can cover the pictures; it follows the event "view" (volume/main.js).

import { part } from "./dom.js";
import { wireKeys } from "./keys.js";
import { SliceView } from "./slices.js";
import { localTime } from "./text.js";
import { PLANES, REGIONS, clamp, crossing, indicesAt, sliceUrl, viewQuery } from "./view-state.js";

const WHEEL_PIXELS_PER_SLICE = 50;
const WHEEL_LINE_PIXELS = 17;
// Browsers refuse a page that rewrites its address too often.
const ADDRESS_DELAY_MS = 200;

const viewer = document.getElementById("viewer");
const controls = document.getElementById("view").elements;
const largest = part(viewer, "largest");
// Links to slices: the buttons of measurements, and the bars of the charts.
const jumps = [...viewer.querySelectorAll("[data-indices]")];
const diameters = part(viewer, "diameters");
const dialog = part(viewer, "shortcuts");
const crosshair = part(viewer, "crosshair");
const confidence = controls.namedItem("confidence");
const toggleAllButton = part(viewer, "toggle-all");
const pictures = part(viewer, "planes");

const planes = Object.fromEntries([...viewer.querySelectorAll("[data-plane]")].map((node) => {
  const svg = part(node, "crosshair-lines");
  return [node.dataset.plane, {
    node,
    svg,
    picture: part(node, "picture"),
    slider: controls.namedItem(node.dataset.plane),
    title: node.querySelector("h2").textContent,
    count: Number(node.dataset.count),
    view: new SliceView(node),
    direction: 1,
  }];
}));
const count = Object.fromEntries(PLANES.map((plane) => [plane, planes[plane].count]));
const regionBoxes = Object.fromEntries([...viewer.querySelectorAll('input[type="checkbox"][name="regions"]')]
  .map((box) => [box.value, box]));
/** Titles of the sequences that the case has, by their keys. */
export const SEQUENCE_TITLES = Object.fromEntries([...controls.namedItem("modality")]
  .map((radio) => [radio.value, radio.nextElementSibling.textContent]));
let current = "axial";
let hidden = null;
let addressTimer = 0;

export function readState() {
  return {
    index: Object.fromEntries(PLANES.map((plane) => [plane, Number(planes[plane].slider.value)])),
    modality: controls.namedItem("modality").value,
    regions: REGIONS.filter((key) => regionBoxes[key].checked),
    opacity: Number(controls.namedItem("opacity").value),
    outline: controls.namedItem("outline").value === "1",
    confidence: Boolean(confidence?.checked),
    crosshair: crosshair.checked,
    mask: Number(viewer.dataset.mask),
  };
}

export function draw(which = PLANES) {
  const state = readState();
  // Nobody sees pictures that the 3-D viewer covers.
  if (!pictures.inert) for (const plane of which) drawSlice(plane, state);
  for (const plane of PLANES) drawCrosshair(plane, state);
  drawMarks(state);
  part(viewer, "opacity").textContent = `${Math.round(100 * state.opacity)} %`;
  toggleAllButton.textContent = state.regions.length ? "Hide all" : "Show all";
  viewer.dispatchEvent(new CustomEvent("view", { detail: state }));
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    window.history.replaceState(null, "", `?${viewQuery(state)}${window.location.hash}`);
    updateLinks(state);
  }, ADDRESS_DELAY_MS);
}

function drawSlice(plane, state) {
  const { view, node, slider, title, direction } = planes[plane];
  const index = state.index[plane];
  const position = `${index + 1} of ${count[plane]}`;
  slider.setAttribute("aria-valuetext", position);
  part(node, "slice").textContent = String(index + 1);
  view.show({
    index,
    direction,
    count: count[plane],
    alt: `${title} slice ${position}, ${SEQUENCE_TITLES[state.modality]}`,
    urlAt: (other) => sliceUrl(viewer.dataset.overlay, state, plane, other),
    others: Object.keys(SEQUENCE_TITLES).map((modality) => sliceUrl(viewer.dataset.overlay, { ...state, modality }, plane, index)),
  });
}

function drawCrosshair(plane, state) {
  const { svg } = planes[plane];
  const { width, height } = svg.viewBox.baseVal;
  const { x, y } = crossing(plane, state.index, count);
  const [across, down] = [svg.querySelector(".across"), svg.querySelector(".down")];
  for (const name of ["y1", "y2"]) across.setAttribute(name, y * height);
  for (const name of ["x1", "x2"]) down.setAttribute(name, x * width);
}

/** Mark the shown slice in each chart, and show the diameters in the slice in which they were measured. */
function drawMarks(state) {
  for (const chart of viewer.querySelectorAll("[data-chart]")) {
    for (const name of ["x1", "x2"]) part(chart, "now").setAttribute(name, state.index[chart.dataset.chart] + 0.5);
  }
  const hasDiameters = state.index.axial === Number(diameters?.dataset.slice) && state.regions.includes("enhancing");
  diameters?.toggleAttribute("hidden", !hasDiameters);
}

const targetOf = (jump) => JSON.parse(jump.dataset.indices);

/** Keep the plain links current, too: they can be opened in a new tab. */
function updateLinks(state) {
  for (const plane of PLANES) {
    for (const link of planes[plane].node.querySelectorAll("[data-step]")) {
      const index = clamp(state.index[plane] + Number(link.dataset.step), 0, count[plane] - 1);
      link.href = `?${viewQuery({ ...state, index: { ...state.index, [plane]: index } })}`;
    }
  }
  for (const jump of jumps) {
    jump.setAttribute("href", `?${viewQuery({ ...state, index: { ...state.index, ...targetOf(jump) } })}`);
  }
}

// Moving

export function moveTo(indices) {
  const changed = Object.keys(indices).filter((plane) => Number(planes[plane].slider.value) !== indices[plane]);
  for (const plane of changed) {
    planes[plane].direction = indices[plane] < Number(planes[plane].slider.value) ? -1 : 1;
    planes[plane].slider.value = indices[plane];
  }
  if (changed.length) draw(changed);
}

export function step(plane, by) {
  moveTo({ [plane]: clamp(Number(planes[plane].slider.value) + by, 0, count[plane] - 1) });
}

export function makeCurrent(plane) {
  planes[current].node.classList.remove("current");
  current = plane;
  planes[current].node.classList.add("current");
}

/** A point of the window as fractions of a plane's picture, letterboxing undone. */
function fractions({ svg }, event) {
  const { width, height } = svg.viewBox.baseVal;
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return { x: point.x / width, y: point.y / height };
}

function wirePicture(plane) {
  const { picture, node } = planes[plane];
  const follow = (event) => {
    const { x, y } = fractions(planes[plane], event);
    moveTo(indicesAt(plane, x, y, count));
  };
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const { x, y } = fractions(planes[plane], event);
    if (x < 0 || y < 0 || x > 1 || y > 1) return;
    makeCurrent(plane);
    if (event.pointerType === "mouse") picture.setPointerCapture(event.pointerId);
    follow(event);
  });
  picture.addEventListener("pointermove", (event) => {
    if (picture.hasPointerCapture(event.pointerId)) follow(event);
  });
  node.addEventListener("pointerenter", () => makeCurrent(plane));
  node.addEventListener("focusin", () => makeCurrent(plane));
  wireWheel(plane);
}

/** Turning the wheel down goes down through the body. Trackpads send many small turns, which are added up to slices. */
function wireWheel(plane) {
  let turned = 0;
  planes[plane].picture.addEventListener("wheel", (event) => {
    if (event.ctrlKey) return;
    event.preventDefault();
    turned += event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_LINE_PIXELS : 1);
    const slices = Math.trunc(turned / WHEEL_PIXELS_PER_SLICE);
    turned -= slices * WHEEL_PIXELS_PER_SLICE;
    if (slices) step(plane, -slices);
  }, { passive: false });
}

// Actions of keys and buttons

function toggleRegion(key) {
  regionBoxes[key].checked = !regionBoxes[key].checked;
  hidden = null;
  draw();
}

/** Hide all regions, or show those again that were hidden. */
function toggleAll() {
  const shown = REGIONS.filter((key) => regionBoxes[key].checked);
  const wanted = shown.length ? [] : (hidden ?? REGIONS);
  hidden = shown.length ? shown : null;
  for (const key of REGIONS) regionBoxes[key].checked = wanted.includes(key);
  draw();
}

function choose(name, value) {
  controls.namedItem(name).value = value;
  draw();
}

function changeOpacity(by) {
  const opacity = controls.namedItem("opacity");
  opacity.value = Number(opacity.value) + by;
  draw();
}

function toggleConfidence() {
  if (!confidence) return;
  confidence.checked = !confidence.checked;
  draw();
}

function toggleCrosshair() {
  crosshair.checked = !crosshair.checked;
  showCrosshair();
}

function showCrosshair() {
  viewer.classList.toggle("no-crosshair", !crosshair.checked);
  draw([]);
}

const showLargest = () => { if (largest) moveTo(targetOf(largest)); };

wireKeys({
  ArrowUp: () => step(current, 1),
  ArrowDown: () => step(current, -1),
  ArrowRight: () => step(current, 1),
  ArrowLeft: () => step(current, -1),
  PageUp: () => step(current, 10),
  PageDown: () => step(current, -10),
  Home: () => moveTo({ [current]: 0 }),
  End: () => moveTo({ [current]: count[current] - 1 }),
  a: () => makeCurrent("axial"),
  s: () => makeCurrent("coronal"),
  d: () => makeCurrent("sagittal"),
  ...Object.fromEntries([...controls.namedItem("modality")].map((radio, at) => [at + 1, () => choose("modality", radio.value)])),
  e: () => toggleRegion("edema"),
  n: () => toggleRegion("enhancing"),
  c: () => toggleRegion("core"),
  h: toggleAll,
  o: () => choose("outline", controls.namedItem("outline").value === "1" ? "0" : "1"),
  "[": () => changeOpacity(-0.1),
  "]": () => changeOpacity(0.1),
  u: toggleConfidence,
  x: toggleCrosshair,
  l: showLargest,
  "?": () => dialog.showModal(),
});

for (const plane of PLANES) {
  const { node, slider } = planes[plane];
  wirePicture(plane);
  slider.addEventListener("input", () => draw([plane]));
  for (const link of node.querySelectorAll("[data-step]")) {
    link.setAttribute("role", "button");
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      step(plane, Number(link.dataset.step));
    });
  }
}
for (const box of Object.values(regionBoxes)) box.addEventListener("change", () => { hidden = null; draw(); });
for (const name of ["modality", "outline"]) {
  for (const radio of controls.namedItem(name)) radio.addEventListener("change", () => draw());
}
controls.namedItem("opacity").addEventListener("input", () => draw());
confidence?.addEventListener("change", () => draw());
crosshair.addEventListener("change", showCrosshair);
toggleAllButton.addEventListener("click", toggleAll);
part(viewer, "help").addEventListener("click", () => dialog.showModal());
for (const jump of jumps) {
  jump.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    moveTo(targetOf(jump));
  });
}
for (const time of viewer.querySelectorAll("time")) time.textContent = localTime(time.dateTime);

// On reload a browser may restore values of the form that differ from what the server drew.
crosshair.checked = new URLSearchParams(window.location.search).get("crosshair") !== "0";
viewer.classList.toggle("no-crosshair", !crosshair.checked);
makeCurrent("axial");
draw();
