// Volumes of a case: fetched as NIfTI, inflated by the browser, kept in the order of the file. A grid says where the
// voxel (i, j, k) of the canonical order (right, anterior, superior) lies in it, so that nothing has to be copied.

const HEADER = 348;
const TYPES = { 2: Uint8Array, 4: Int16Array, 8: Int32Array, 16: Float32Array, 256: Int8Array, 512: Uint16Array };

/**
 * The grid of a file with `dims` voxels along its axes.
 * `orientation` has for each of them the canonical axis it runs along, and 1 or -1 for the direction.
 */
export function gridOf(dims, orientation, spacing) {
  const shape = [0, 0, 0];
  const strides = [0, 0, 0];
  let offset = 0;
  let stride = 1;
  dims.forEach((count, at) => {
    const [axis, direction] = orientation[at];
    shape[axis] = count;
    strides[axis] = direction * stride;
    if (direction < 0) offset += (count - 1) * stride;
    stride *= count;
  });
  return { shape, strides, offset, spacing };
}

/** Where the voxel (i, j, k) lies in the data of a grid. */
export const at = ({ strides, offset }, i, j, k) => offset + i * strides[0] + j * strides[1] + k * strides[2];

/** The voxel (i, j, k) at a place in the data of a grid. */
export function pointAt({ shape, strides }, place) {
  const point = [0, 0, 0];
  let rest = place;
  for (const axis of [0, 1, 2].sort((a, b) => Math.abs(strides[b]) - Math.abs(strides[a]))) {
    const step = Math.abs(strides[axis]);
    const value = Math.floor(rest / step);
    rest -= value * step;
    point[axis] = strides[axis] < 0 ? shape[axis] - 1 - value : value;
  }
  return point;
}

/** The intensity at a point. */
export const intensity = ({ data, slope, inter }, grid, point) => data[at(grid, ...point)] * slope + inter;

export const inside = ({ shape }, point) => point.every((value, axis) => value >= 0 && value < shape[axis]);

/** {dims, data, slope, inter, head} of an inflated file; `head` is all that stands before the voxels. */
export function parseNifti(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER || view.getInt32(0, true) !== HEADER) throw new Error("This is no NIfTI file.");
  const dims = [1, 2, 3].map((axis) => view.getInt16(40 + 2 * axis, true));
  const Type = TYPES[view.getInt16(70, true)];
  const start = view.getFloat32(108, true);
  const count = dims[0] * dims[1] * dims[2];
  if (!Type || start + count * Type.BYTES_PER_ELEMENT > buffer.byteLength) throw new Error("This NIfTI file cannot be read.");
  // A copy, since voxels need not begin at a multiple of their size.
  const data = new Type(buffer.slice(start, start + count * Type.BYTES_PER_ELEMENT));
  const slope = view.getFloat32(112, true) || 1;
  return { dims, data, slope, inter: view.getFloat32(116, true) || 0, head: buffer.slice(0, start) };
}

export async function fetchVolume(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`A volume could not be loaded (${answer.status}).`);
  const inflated = answer.body.pipeThrough(new DecompressionStream("gzip"));
  return parseNifti(await new Response(inflated).arrayBuffer());
}

/** A compressed file with the header of one that was read, and new voxels. */
export function compressed({ head }, data) {
  const packed = new Blob([head, data]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(packed).blob();
}

/** Fetches each volume once, when it is first needed. */
export class Library {
  #loading = new Map();

  get(url) {
    if (!this.#loading.has(url)) {
      const loading = fetchVolume(url);
      this.#loading.set(url, loading);
      // A failure is not kept, so that the next request tries again.
      loading.catch(() => this.#loading.delete(url));
    }
    return this.#loading.get(url);
  }
}
