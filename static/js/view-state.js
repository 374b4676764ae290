// The state of the viewer as plain data: how it is written as a query, and the geometry that links the planes.
// This module does not touch the page.

export const PLANES = ["axial", "coronal", "sagittal"];
// In the order of the label table, which the server keeps to in its addresses.
export const REGIONS = ["core", "edema", "enhancing"];

// The planes that a picture's columns and rows cut through. Indices count towards right, anterior and superior
// (RAS+). Pictures are radiological: right is on the left, anterior on the left or at the top, superior at the
// top. So in all three pictures both axes run against the index.
const CROSSING = {
  axial: ["sagittal", "coronal"],
  coronal: ["sagittal", "axial"],
  sagittal: ["coronal", "axial"],
};

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const lookOf = (state) => [
  ["modality", state.modality],
  ["regions", state.regions.join(",")],
  ["opacity", state.opacity],
  ["outline", Number(state.outline)],
  ...(state.confidence ? [["confidence", 1]] : []),
];

// Commas stay as they are, as the server writes them: one slice has one address, and is cached once.
const text = (pairs) => new URLSearchParams(pairs).toString().replaceAll("%2C", ",");

/** The query of a state. The server reads all of it but the crosshair. */
export function viewQuery(state) {
  const crosshair = state.crosshair ? [] : [["crosshair", 0]];
  return text([...PLANES.map((plane) => [plane, state.index[plane]]), ...lookOf(state), ...crosshair]);
}

/** The address of a rendered slice with the version of the mask that the state names. */
export function sliceUrl(base, state, plane, index) {
  return `${base}${plane}/${index}.png?${text([...lookOf(state), ["mask", state.mask]])}`;
}

/** Fractions {x, y} (0..1 from the left and the top) at which the other two planes cross this one. */
export function crossing(plane, index, count) {
  const [x, y] = CROSSING[plane].map((other) => (count[other] - index[other] - 0.5) / count[other]);
  return { x, y };
}

/** The indices of the other two planes at fractions x, y of this plane's picture. */
export function indicesAt(plane, x, y, count) {
  const at = (fraction, other) => clamp(Math.ceil(count[other] * (1 - fraction)) - 1, 0, count[other] - 1);
  const [across, down] = CROSSING[plane];
  return { [across]: at(x, across), [down]: at(y, down) };
}
