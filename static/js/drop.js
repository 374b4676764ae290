// Reading what was dropped or picked as a flat list of {path, file}.

const MAX_FILES = 20000;

function readEntries(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

async function walk(entry, path, found) {
  if (found.length >= MAX_FILES) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ path: path + file.name, file });
    return;
  }
  const reader = entry.createReader();
  // A reader hands out at most 100 names at a time and ends with an empty batch.
  for (let batch = await readEntries(reader); batch.length; batch = await readEntries(reader)) {
    for (const child of batch) await walk(child, `${path}${entry.name}/`, found);
  }
}

/** Files of a drop, folders walked. The entries must be taken before the first await. */
export async function droppedFiles(transfer) {
  const roots = [...transfer.items].filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.length) return pickedFiles(transfer.files);
  const found = [];
  for (const root of roots) await walk(root, "", found);
  return found;
}

/** Files of an `<input type=file>`; a folder picker gives relative paths. */
export function pickedFiles(files) {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}
