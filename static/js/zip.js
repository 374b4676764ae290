// Looking into a zip in the browser, so that its scans fill the slots and several patients in one
// zip can be sent one by one. The server checks everything again, and what cannot be read here is left to it.

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const LONGEST_COMMENT = 65535;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;

async function view(blob, start, end) {
  return new DataView(await blob.slice(start, end).arrayBuffer());
}

/** Where the list of entries lies: {start, bytes, count}, or null. */
async function findDirectory(file) {
  const tailStart = Math.max(0, file.size - END_BYTES - LONGEST_COMMENT);
  const tail = await view(file, tailStart, file.size);
  for (let at = tail.byteLength - END_BYTES; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) === END) {
      return {
        count: tail.getUint16(at + 10, true),
        bytes: tail.getUint32(at + 12, true),
        start: tail.getUint32(at + 16, true),
      };
    }
  }
  return null;
}

async function content(file, { offset, method, packed, name }) {
  // Name and extra field of the local header may differ in length from those in the list.
  const local = await view(file, offset, offset + LOCAL_BYTES);
  const start = offset + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  const bytes = file.slice(start, start + packed);
  if (method === STORED) return new File([bytes], name);
  const inflated = bytes.stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new File([await new Response(inflated).blob()], name);
}

/**
 * The files in a zip as {path, file: {name, size}, open}, `open()` giving the real File.
 * Null when this cannot be done here: no zip, encrypted, larger than 4 GB, an unusual method.
 */
export async function readZip(file) {
  const directory = await findDirectory(file);
  if (!directory || directory.start + directory.bytes > file.size) return null;
  const list = await view(file, directory.start, directory.start + directory.bytes);
  const text = new TextDecoder();
  const entries = [];
  for (let at = 0; entries.length < directory.count; ) {
    if (at + ENTRY_BYTES > list.byteLength || list.getUint32(at, true) !== ENTRY) return null;
    const method = list.getUint16(at + 10, true);
    if (list.getUint16(at + 8, true) & ENCRYPTED || ![STORED, DEFLATED].includes(method)) return null;
    const nameBytes = list.getUint16(at + 28, true);
    const path = text.decode(new Uint8Array(list.buffer, at + ENTRY_BYTES, Math.min(nameBytes, list.byteLength - at - ENTRY_BYTES)));
    const name = path.split("/").at(-1);
    const where = { method, name, packed: list.getUint32(at + 20, true), offset: list.getUint32(at + 42, true) };
    entries.push({ path, file: { name, size: list.getUint32(at + 24, true) }, open: () => content(file, where) });
    at += ENTRY_BYTES + nameBytes + list.getUint16(at + 30, true) + list.getUint16(at + 32, true);
  }
  return entries;
}
