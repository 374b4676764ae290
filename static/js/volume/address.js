// The settings of the 3-D viewer, kept in the part of the address behind #. The rest of the view is in the query,
// as without this viewer. This module does not touch the page.

export const LAYOUTS = ["all", "axial", "coronal", "sagittal", "render"];
export const PRESETS = ["brain", "full", "narrow"];
const MARK = "3d";

/** All four tiles; the rendering is seen from the patient's right front. */
export const DEFAULTS = Object.freeze({
  open: false, layout: "all", compare: false, preset: "brain", windows: {}, camera: [230, 15, 1.3], pan: [0, 0, 0, 1],
});

const numbers = (text, count) => {
  const found = (text ?? "").split(",").map(Number);
  return found.length === count && found.every(Number.isFinite) ? found : null;
};
const rounded = (values) => values.map((value) => Number(value.toFixed(2))).join(",");

/** The state that `hash` holds. Values that make no sense become the defaults. */
export function parseHash(hash, modalities) {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const one = (name, allowed) => (allowed.includes(query.get(name)) ? query.get(name) : DEFAULTS[name]);
  const windows = modalities.map((modality) => [modality, numbers(query.get(modality), 2)])
    .filter(([, limits]) => limits && limits[0] < limits[1]);
  return {
    open: query.has(MARK),
    layout: one("layout", LAYOUTS),
    compare: query.get("compare") === "1",
    preset: one("preset", PRESETS),
    windows: Object.fromEntries(windows),
    camera: numbers(query.get("camera"), 3) ?? DEFAULTS.camera,
    pan: numbers(query.get("pan"), 4) ?? DEFAULTS.pan,
  };
}

/** The address part for a state: only what differs from the defaults, nothing while it is closed. */
export function formatHash(state) {
  if (!state.open) return "";
  const pairs = [];
  if (state.layout !== DEFAULTS.layout) pairs.push(["layout", state.layout]);
  if (state.compare) pairs.push(["compare", "1"]);
  if (state.preset !== DEFAULTS.preset) pairs.push(["preset", state.preset]);
  for (const [modality, limits] of Object.entries(state.windows)) pairs.push([modality, rounded(limits)]);
  for (const name of ["camera", "pan"]) {
    if (rounded(state[name]) !== rounded(DEFAULTS[name])) pairs.push([name, rounded(state[name])]);
  }
  return ["#" + MARK, ...pairs.map((pair) => pair.join("="))].join("&");
}
