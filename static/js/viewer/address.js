// The state of the viewer as the query of an address, so that a view can be shared. The server reads of it what its
// own pictures show. This module does not touch the page.

import { PLANES } from "./geometry.js";
import { PRESETS } from "./window.js";

export const LAYOUTS = { planes: "Planes", one: "One", sequences: "Sequences", prior: "Prior" };
// In the order of the label table, which the server keeps to in its addresses.
export const REGIONS = ["core", "edema", "enhancing"];

const numbers = (text, count) => {
  const found = (text ?? "").split(",").map(Number);
  return text && found.length === count && found.every(Number.isFinite) ? found : null;
};
const short = (values) => values.map((value) => Number(value.toFixed(2))).join(",");
const queryOf = (pairs) => new URLSearchParams(pairs).toString().replaceAll("%2C", ",");
// Intensities may be of any size.
const windowPairs = (windows) => Object.entries(windows)
  .map(([modality, limits]) => [`window_${modality}`, limits.map((value) => Number(value.toPrecision(6))).join(",")]);

/**
 * What a query says beyond what the server reads. Values that make no sense become the defaults; those of a case are
 * its `modalities`, the `layouts` that it has, and the ids of its `priors`.
 */
export function parseQuery(search, { modalities, layouts, priors }, defaults) {
  const query = new URLSearchParams(search);
  const one = (name, allowed) => (allowed.includes(query.get(name)) ? query.get(name) : defaults[name]);
  const windows = modalities.map((modality) => [modality, numbers(query.get(`window_${modality}`), 2)])
    .filter(([, limits]) => limits && limits[0] < limits[1]);
  const [zoom] = numbers(query.get("zoom"), 1) ?? [1];
  return {
    layout: one("layout", layouts),
    prior: one("prior", priors),
    change: query.get("change") === "1",
    plane: one("plane", PLANES),
    preset: one("preset", Object.keys(PRESETS)),
    windows: Object.fromEntries(windows),
    zoom: zoom > 0 ? zoom : 1,
    centre: numbers(query.get("centre"), 3),
    crosshair: query.get("crosshair") !== "0",
  };
}

/** The query of a state: what the server reads, and what differs from the defaults of the rest. */
export function formatQuery(state, defaults) {
  const pairs = [
    ...PLANES.map((plane) => [plane, state.index[plane]]),
    ["modality", state.modality],
    ["regions", state.regions.join(",")],
    ["opacity", state.opacity],
    ["outline", Number(state.outline)],
  ];
  if (state.confidence) pairs.push(["confidence", 1]);
  if (!state.crosshair) pairs.push(["crosshair", 0]);
  if (state.change) pairs.push(["change", 1]);
  for (const name of ["layout", "plane", "preset", "prior"]) if (state[name] !== defaults[name]) pairs.push([name, state[name]]);
  pairs.push(...windowPairs(state.windows));
  if (state.zoom !== 1) pairs.push(["zoom", short([state.zoom])]);
  if (state.centre) pairs.push(["centre", short(state.centre)]);
  return queryOf(pairs);
}

/** The query of a report whose pictures have these windows, [black, white] by sequence. */
export const reportQuery = (windows) => queryOf(windowPairs(windows));
