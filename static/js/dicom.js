// Telling DICOM files from others by their first bytes. The server checks everything again, and looks into headers.

const PREAMBLE = 128;
const MAGIC = "DICM";
// A file without preamble begins with an element of group 2 or 8.
const FIRST_GROUPS = [2, 8];
// Files that are looked at in one zip to tell whether it is a study.
const MOST_LOOKED_AT = 40;

async function isDicom(file) {
  const start = new Uint8Array(await file.slice(0, PREAMBLE + MAGIC.length).arrayBuffer());
  if (String.fromCharCode(...start.slice(PREAMBLE)) === MAGIC) return true;
  return /\.(dcm|ima)$/i.test(file.name) && FIRST_GROUPS.includes(start[0]) && start[1] === 0;
}

/** Those of some entries ({path, file}) that are DICOM files. */
export async function dicomFiles(entries) {
  const found = await Promise.all(entries.map(({ file }) => isDicom(file).catch(() => false)));
  return entries.filter((_, place) => found[place]);
}

/** Whether one of the entries of a zip ({file, open}) is a DICOM file. */
export async function holdsDicom(entries) {
  for (const { file, open } of entries.filter(({ file }) => file.size > PREAMBLE).slice(0, MOST_LOOKED_AT)) {
    const opened = await open().catch(() => null);
    if (opened && await isDicom(opened)) return true;
    if (!opened && file.size) return false;
  }
  return false;
}
