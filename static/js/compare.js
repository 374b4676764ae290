// Two examinations and what changed, scrolled together over server-rendered slices.

import { part } from "./dom.js";
import { wireKeys } from "./keys.js";

// A notch of a wheel turns by 100 pixels or more; trackpads send many small turns, which are added up.
const PIXELS_PER_SLICE = 50;
const AHEAD = 4;
const KEPT = 400;
const ADDRESS_DELAY_MS = 200;

const viewer = document.getElementById("compare");
const form = viewer.querySelector("form");
const slider = part(viewer, "slider");
const planes = JSON.parse(viewer.dataset.planes);
const version = new URLSearchParams(JSON.parse(viewer.dataset.mask)).toString();
const panes = Object.fromEntries([...viewer.querySelectorAll("[data-pane]")].map((node) => [node.dataset.pane, node]));
const loaded = new Map();
let addressTimer = 0;
let wanted = null;
let busy = false;
let direction = 1;

const field = (name) => form.elements.namedItem(name).value;
const plane = () => planes[field("plane")];

/** Addresses of a slice, by pane. */
function addresses(index) {
  const [name, modality] = [field("plane"), field("modality")];
  const outlines = part(viewer, "outlines").checked;
  const look = `modality=${modality}&opacity=1&outline=1${outlines ? "" : "&regions="}`;
  const stamp = `stamp=${viewer.dataset.stamp}`;
  return {
    prior: `${viewer.dataset.prior}${name}/${index}.png?${look}&${stamp}`,
    now: `${viewer.dataset.now}${name}/${index}.png?${look}&${version}`,
    change: `${viewer.dataset.change}${name}/${index}.png?modality=${modality}&region=${field("region")}&${stamp}`,
  };
}

/** Load a picture; the same promise for the same address. */
function load(url) {
  if (!loaded.has(url)) {
    const image = new Image();
    image.src = url;
    const loading = image.decode().then(() => image);
    loaded.set(url, loading);
    // A failure is not kept, so that the next request tries again.
    loading.catch(() => loaded.delete(url));
    if (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
  }
  return loaded.get(url);
}

/** Show the wanted slice in all panes at once; while one is loading, only the last request is remembered. */
async function work() {
  if (busy) return;
  busy = true;
  while (wanted !== null) {
    const index = wanted;
    wanted = null;
    const urls = addresses(index);
    try {
      await Promise.all(Object.values(urls).map(load));
      put(index, urls);
      viewer.classList.remove("broken");
    } catch {
      viewer.classList.add("broken");
    }
  }
  busy = false;
  prefetch();
}

function put(index, urls) {
  const { part_mm: frame, width_mm: width, height_mm: height, letters } = plane();
  for (const [name, node] of Object.entries(panes)) {
    const svg = node.querySelector("svg");
    const image = svg.querySelector("image");
    svg.setAttribute("viewBox", frame.join(" "));
    svg.setAttribute("aria-label", `${node.querySelector("strong").textContent}, ${field("plane")} slice ${index + 1}`);
    image.setAttribute("width", width);
    image.setAttribute("height", height);
    image.setAttribute("href", urls[name]);
    part(node, "left").textContent = letters.left;
    part(node, "top").textContent = letters.top;
  }
  viewer.dataset.shown = index;
}

/** Fetch the slices ahead, one by one, until something else is asked for. */
async function prefetch() {
  const start = plane().index;
  for (let step = 1; step <= AHEAD && !busy; step += 1) {
    const index = start + direction * step;
    if (index < 0 || index >= plane().count) return;
    await Promise.all(Object.values(addresses(index)).map(load)).catch(() => {});
  }
}

function show(index) {
  const now = plane();
  const next = Math.min(Math.max(index, 0), now.count - 1);
  if (next !== now.index) direction = Math.sign(next - now.index);
  now.index = next;
  slider.max = now.count - 1;
  slider.value = next;
  part(viewer, "position").textContent = `${next + 1} / ${now.count}`;
  wanted = next;
  work();
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const query = new URLSearchParams(new FormData(form));
    query.set("slice", next + 1);
    window.history.replaceState(null, "", `?${query}`);
  }, ADDRESS_DELAY_MS);
}

const step = (by) => show(plane().index + by);

let turned = 0;
viewer.querySelector(".compare-panes").addEventListener("wheel", (event) => {
  if (event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (event.deltaMode !== WheelEvent.DOM_DELTA_PIXEL) {
    step(-Math.sign(event.deltaY));
    return;
  }
  turned += event.deltaY;
  if (Math.abs(turned) < PIXELS_PER_SLICE) return;
  // Down through the body, one slice for a notch, however far it turns.
  step(-Math.sign(turned));
  turned = 0;
}, { passive: false });

slider.addEventListener("input", () => show(Number(slider.value)));
form.addEventListener("change", () => show(plane().index));
form.addEventListener("submit", (event) => event.preventDefault());

wireKeys({
  ArrowUp: () => step(1),
  ArrowDown: () => step(-1),
  PageUp: () => step(10),
  PageDown: () => step(-10),
  Home: () => show(0),
  End: () => show(plane().count - 1),
  h: () => part(viewer, "outlines").click(),
});
show(plane().index);
