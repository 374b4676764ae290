// Window and level: which intensities are black and which are white.

export const PRESETS = { lesion: "Lesion", brain: "Brain", enhancing: "Enhancing", full: "Full range" };
// As many voxels as this are enough for a percentile.
const SAMPLES = 150_000;
// Above the brightest of a lesion some grey is left, so that an outline on it can be seen.
const AIR = 1.12;

const percentile = (ordered, percent) => ordered[Math.round(((ordered.length - 1) * percent) / 100)];
const ordered = (values) => Float32Array.from(values).sort();

/** What windows follow from: ordered intensities of the head (what is above the background) and of the lesions. */
export function statisticsOf({ data, slope, inter }, mask) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const head = [];
  const lesion = [];
  const step = Math.max(1, Math.floor(data.length / (4 * SAMPLES)));
  for (let place = 0; place < data.length; place += step) if (data[place] > low) head.push(data[place] * slope + inter);
  for (let place = 0; place < data.length; place += 1) if (mask[place]) lesion.push(data[place] * slope + inter);
  return { low: low * slope + inter, high: high * slope + inter, head: ordered(head), lesion: ordered(lesion) };
}

/**
 * [black, white] by preset. `lesion` leaves the brightest of the lesions grey, `brain` is that of ordinary tissue,
 * `enhancing` begins at the middle of the brain, so that only what is brighter stands out.
 */
export function presetsOf({ low, high, head, lesion }) {
  const full = [low, high > low ? high : low + 1];
  if (!head.length) return Object.fromEntries(Object.keys(PRESETS).map((name) => [name, full]));
  const bright = Math.max(percentile(head, 99.3), lesion.length ? percentile(lesion, 99.8) * AIR : -Infinity);
  const pairs = {
    lesion: [percentile(head, 0.5), bright],
    brain: [percentile(head, 2), percentile(head, 97.5)],
    enhancing: [percentile(head, 40), bright],
    full,
  };
  return Object.fromEntries(Object.entries(pairs).map(([name, pair]) => [name, pair[0] < pair[1] ? pair : full]));
}

/** Where the middle half of the head's intensities lies, [low, high]. */
export const middleHalf = ({ head }) => (head.length ? [percentile(head, 25), percentile(head, 75)] : [0, 0]);

/**
 * A volume in whose intensities `own` [low, high] has become `wanted`. Those of MRI have no unit: without this, one
 * window could not show two examinations.
 */
export function rescaled(volume, own, wanted) {
  const factor = (wanted[1] - wanted[0]) / (own[1] - own[0]);
  if (!(factor > 0 && factor < Infinity)) return volume;
  return { ...volume, slope: volume.slope * factor, inter: wanted[0] + (volume.inter - own[0]) * factor };
}

/** The window after a drag of so many pixels: to the right wider, upwards brighter. */
export function dragged([black, white], dx, dy, range) {
  const width = Math.max((white - black) * Math.exp(dx / 200), range / 10_000);
  const centre = (black + white) / 2 + (dy * range) / 600;
  return [centre - width / 2, centre + width / 2];
}

const ALPHA = 0xff000000;
const grey = (level) => ALPHA | (level << 16) | (level << 8) | level;

/** A table from stored values (from `first` on) to pixels, for integers of up to 16 bits. */
export function greyTable({ data, slope, inter }, [black, white]) {
  const bits = data.BYTES_PER_ELEMENT * 8;
  const first = data instanceof Int16Array || data instanceof Int8Array ? -(2 ** (bits - 1)) : 0;
  const table = new Uint32Array(2 ** bits);
  const factor = 255 / (white - black);
  for (let place = 0; place < table.length; place += 1) {
    const level = ((place + first) * slope + inter - black) * factor;
    table[place] = grey(level < 0 ? 0 : level > 255 ? 255 : (level + 0.5) | 0);
  }
  return { first, table };
}
