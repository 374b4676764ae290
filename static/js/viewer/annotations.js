// What a reader draws on pictures without changing the mask: rulers, angles, ellipses, arrows, and the RANO lines.
// Plain data, as the server keeps it: {id, kind, plane, slice, points, text}; points are canonical voxels.

import { AXES, angle, distance } from "./geometry.js";
import { intensity } from "./volume.js";

/** How many points a kind has. Those of an ellipse are opposite corners of the box around it. */
export const POINTS = { ruler: 2, angle: 3, ellipse: 2, arrow: 2, rano: 4 };
export const TITLES = { ruler: "Ruler", angle: "Angle", ellipse: "Ellipse", arrow: "Arrow", rano: "RANO" };

const mm = (value) => `${value.toFixed(1)} mm`;

/** Mean and range of a sequence within an ellipse; null where it holds no voxel. */
export function ellipseStatistics({ plane, slice, points: [a, b] }, grid, volume) {
  const [across, down, through] = AXES[plane];
  const middle = (axis) => (a[axis] + b[axis]) / 2;
  const radius = (axis) => Math.abs(a[axis] - b[axis]) / 2 || 0.5;
  const found = [];
  const bounds = (axis) => [Math.max(0, Math.ceil(middle(axis) - radius(axis))), Math.min(grid.shape[axis] - 1, Math.floor(middle(axis) + radius(axis)))];
  const [[left, right], [low, high]] = [bounds(across), bounds(down)];
  for (let x = left; x <= right; x += 1) {
    for (let y = low; y <= high; y += 1) {
      if (((x - middle(across)) / radius(across)) ** 2 + ((y - middle(down)) / radius(down)) ** 2 > 1) continue;
      const point = [0, 0, 0];
      [point[across], point[down], point[through]] = [x, y, slice];
      found.push(intensity(volume, grid, point));
    }
  }
  if (!found.length) return null;
  const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
  const area = (Math.PI * radius(across) * grid.spacing[across] * radius(down) * grid.spacing[down]) / 100;
  return { mean, low: Math.min(...found), high: Math.max(...found), area };
}

const number = (value) => (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4))));

/** What is measured, in words. */
export function measured(item, grid, volume) {
  const { kind, points } = item;
  if (kind === "ruler") return mm(distance(points[0], points[1], grid));
  // Its first arm is drawn before the second.
  if (kind === "angle" && points.length < POINTS.angle) return "";
  if (kind === "angle") return `${angle(...points, grid).toFixed(1)}°`;
  if (kind === "arrow") return item.text;
  if (kind === "rano") {
    const [first, second] = [distance(points[0], points[1], grid), distance(points[2], points[3], grid)];
    return `${first.toFixed(1)} × ${second.toFixed(1)} mm = ${(first * second).toFixed(0)} mm²`;
  }
  const found = volume && ellipseStatistics(item, grid, volume);
  return found ? `mean ${number(found.mean)}, ${number(found.low)}–${number(found.high)}, ${found.area.toFixed(2)} cm²` : "";
}

/** The product of the last two rulers of one slice, which are a RANO pair; null where there are not two. */
export function pairOf(items, item, grid) {
  const rulers = items.filter(({ kind, plane, slice }) => kind === "ruler" && plane === item.plane && slice === item.slice);
  const place = rulers.indexOf(item);
  if (place < 0 || place % 2 === 0) return null;
  const [a, b] = [rulers[place - 1], item].map(({ points }) => distance(points[0], points[1], grid));
  return { longest: Math.max(a, b), shortest: Math.min(a, b), product: a * b };
}

/** The item and handle within `reach` pixels of a point; `toPixels(point)` places handles. */
export function handleAt(items, { x, y }, toPixels, reach = 9) {
  for (const item of [...items].reverse()) {
    for (const [handle, point] of item.points.entries()) {
      const there = toPixels(point);
      if (Math.hypot(there.x - x, there.y - y) <= reach) return { item, handle };
    }
  }
  return null;
}
