// What the header of a NIfTI file says. The server checks everything again.

const HEADER = 348;
const GZIP = [0x1f, 0x8b];

/** How many volumes a file holds; 1 where that cannot be told. */
export async function volumesIn(file) {
  const start = await firstBytes(file);
  if (start.byteLength < HEADER) return 1;
  const view = new DataView(start);
  const little = view.getInt32(0, true) === HEADER;
  if (!little && view.getInt32(0) !== HEADER) return 1;
  const dim = (axis) => view.getInt16(40 + 2 * axis, little);
  return dim(0) === 4 ? Math.max(1, dim(4)) : 1;
}

async function firstBytes(file) {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (start[0] !== GZIP[0] || start[1] !== GZIP[1]) return file.slice(0, HEADER).arrayBuffer();
  const reader = file.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts = [];
  let size = 0;
  while (size < HEADER) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
  }
  await reader.cancel();
  return new Blob(parts).arrayBuffer();
}
