// The planes of a volume, and how a plane lies in a pane. Points are canonical voxels (right, anterior, superior)
// whose centres have whole numbers. Pictures are radiological: the patient's right is on the left, anterior on the
// left or at the top, superior at the top, so both axes of a picture run against the index. Lengths are millimetres
// along the edges of voxels, so a grid with thick slices, or one that lies obliquely, keeps its true proportions.

export const PLANES = ["axial", "coronal", "sagittal"];
/** The axes of a plane: across the picture, down it, and through it. */
export const AXES = { axial: [0, 1, 2], coronal: [0, 2, 1], sagittal: [1, 2, 0] };
export const LETTERS = { axial: "RLAP", coronal: "RLSI", sagittal: "APSI" };

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Millimetres {x, y} of a point from the left and the top of its plane's picture. */
export function toPlane(plane, point, { shape, spacing }) {
  const [across, down] = AXES[plane];
  return { x: (shape[across] - 0.5 - point[across]) * spacing[across], y: (shape[down] - 0.5 - point[down]) * spacing[down] };
}

/** The point of a slice at millimetres x, y of its picture; not rounded. */
export function fromPlane(plane, { x, y }, index, { shape, spacing }) {
  const [across, down, through] = AXES[plane];
  const point = [0, 0, 0];
  point[across] = shape[across] - 0.5 - x / spacing[across];
  point[down] = shape[down] - 0.5 - y / spacing[down];
  point[through] = index;
  return point;
}

export const rounded = (point, { shape }) => point.map((value, axis) => clamp(Math.round(value), 0, shape[axis] - 1));

/** Distance of two points in mm. */
export const distance = (a, b, { spacing }) => Math.hypot(...a.map((value, axis) => (value - b[axis]) * spacing[axis]));

/** The angle a-b-c in degrees. */
export function angle(a, b, c, { spacing }) {
  const arm = (end) => end.map((value, axis) => (value - b[axis]) * spacing[axis]);
  const [p, q] = [arm(a), arm(c)];
  const dot = p.reduce((sum, value, axis) => sum + value * q[axis], 0);
  return (Math.acos(clamp(dot / (Math.hypot(...p) * Math.hypot(...q) || 1), -1, 1)) * 180) / Math.PI;
}

/** Where a plane lies in a pane: `scale` pixels a mm, and the pixel of its left top corner. */
export function placing(plane, { width, height }, { scale, centre }, grid) {
  const middle = toPlane(plane, centre, grid);
  return { scale, left: width / 2 - middle.x * scale, top: height / 2 - middle.y * scale };
}

export const toPixels = ({ scale, left, top }, { x, y }) => ({ x: left + x * scale, y: top + y * scale });
export const fromPixels = ({ scale, left, top }, { x, y }) => ({ x: (x - left) / scale, y: (y - top) / scale });

/** The pixels a mm at which a box {low, high} of voxels fits every one of some panes {plane, width, height}. */
export function fitting(panes, box, { spacing }, marginPx = 12) {
  const size = (axis) => (box.high[axis] - box.low[axis] + 1) * spacing[axis];
  return Math.min(...panes.map(({ plane, width, height }) => {
    const [across, down] = AXES[plane];
    return Math.max(0.05, Math.min((width - 2 * marginPx) / size(across), (height - 2 * marginPx) / size(down)));
  }));
}

/** A round length in mm for a scale bar of at most `mostPx` pixels. */
export function barLength(scale, mostPx) {
  const most = mostPx / scale;
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
  return steps.filter((step) => step <= most).at(-1) ?? steps[0];
}
