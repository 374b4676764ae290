// Window and level: which intensities are black and which are white.

// As many voxels as this are enough for a percentile.
const SAMPLES = 200_000;
// `brain` is the window of the rendered slices, so that nothing changes when this viewer opens.
const PERCENTILES = { brain: [0.5, 99.3], narrow: [25, 75] };

/** Intensities of the head (what is above the background), ordered; every nth voxel. */
function orderedHead({ img, hdr, global_min: background }) {
  const step = Math.max(1, Math.floor(img.length / (4 * SAMPLES)));
  const found = [];
  for (let at = 0; at < img.length; at += step) {
    const value = img[at] * hdr.scl_slope + hdr.scl_inter;
    if (value > background) found.push(value);
  }
  return Float32Array.from(found).sort();
}

const at = (ordered, percent) => ordered[Math.round((ordered.length - 1) * percent / 100)];

/** [black, white] by preset for a loaded sequence. */
export function presetsOf(image) {
  const head = orderedHead(image);
  const full = [image.global_min, image.global_max];
  const limits = Object.entries(PERCENTILES).map(([name, [low, high]]) => {
    const pair = [at(head, low), at(head, high)];
    return [name, pair[0] < pair[1] ? pair : full];
  });
  return { full, ...Object.fromEntries(limits) };
}
