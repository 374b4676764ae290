// Sorting chosen files into patients, and a patient's files into the four sequences.

import { MASK, MODALITIES, MOST_MISSING, guessModalities, guessModality, stemOf } from "./modalities.js";
import { dicomFiles, holdsDicom } from "./dicom.js";
import { volumesIn } from "./nifti.js";
import { readZip } from "./zip.js";

export const isScan = (name) => /\.nii(\.gz)*$/i.test(name) && !name.split("/").at(-1).startsWith(".");
export const isZip = (name) => /\.zip$/i.test(name);

const folderOf = (path) => path.split("/").slice(0, -1).join("/");
const lastPart = (path) => path.split("/").at(-1);

function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}

function claimTwice(entries) {
  const guesses = guessModalities(entries.map(({ path }) => path)).filter(Boolean);
  return new Set(guesses).size < guesses.length;
}

/**
 * Assign entries ({path, file}) of one patient to slots.
 * A second file for a sequence, or a file whose name tells none, is left over: the user places it by hand.
 */
export function assign(name, entries) {
  const slots = {}, leftovers = [], masks = [];
  const guesses = guessModalities(entries.map(({ path }) => path));
  for (const [place, entry] of entries.entries()) {
    const modality = guesses[place];
    if (modality === MASK) masks.push(entry);
    else if (modality && !slots[modality]) slots[modality] = entry;
    else leftovers.push(entry);
  }
  return { name, slots, leftovers, masks, study: null };
}

/** A patient whose files are told apart after the upload: a DICOM study, or one file with all sequences. Files and folders often have the patient's name, so it gets none. */
const studyOf = (entries) => ({ ...assign("", []), study: entries });

/** The sequences that a patient has no file for. */
export const missing = ({ slots }) => MODALITIES.filter((modality) => !slots[modality]);

/** Whether something is missing, but no more than may be left out. */
export function lacksLittle(patient) {
  const count = patient.study ? 0 : missing(patient).length;
  return count > 0 && count <= MOST_MISSING;
}

/** Whether a patient has enough sequences to be sent; what a zip or a study holds is checked by the server. */
export const sendable = (patient) => Boolean(patient.zip || patient.study) || missing(patient).length <= MOST_MISSING;

/** The patients in what was dropped or picked: entries are {path, file}; zips are looked into. */
export async function findPatients(entries) {
  if (entries.length === 1 && await holdsAll(entries[0])) return [studyOf(entries)];
  const patients = sortPatients(entries);
  const study = await dicomFiles(others(entries));
  if (study.length) patients.push(studyOf(study));
  for (const entry of entries.filter(({ path }) => isZip(path))) patients.push(...await patientsOfZip(entry));
  return patients.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
}

/** Whether a file holds all four sequences; the server then asks which is which, as for the series of a study. */
async function holdsAll({ path, file }) {
  if (!isScan(path) || guessModality(path)) return false;
  return await volumesIn(file).catch(() => 1) === MODALITIES.length;
}

/**
 * A zip with one patient is sent as it is. So is one that cannot be read here: the server checks it.
 * A zip with several patients is taken apart.
 */
async function patientsOfZip(zip) {
  const inside = await readZip(zip.file).catch(() => null);
  const found = sortPatients(inside ?? []);
  if (found.length > 1) return found;
  if (!found.length && inside && await holdsDicom(inside)) return [{ ...studyOf([zip]), zip }];
  const name = found[0]?.name || lastPart(zip.path).replace(/\.zip$/i, "");
  return [{ ...(found[0] ?? assign(name, [])), name, zip }];
}

/**
 * Sort entries ({path, file}) into patients: by folder, and within a folder by the common part of
 * the names where two files claim the same sequence.
 */
function sortPatients(entries) {
  const patients = [];
  const scans = entries.filter(({ path }) => isScan(path));
  for (const [folder, group] of groupBy(scans, ({ path }) => folderOf(path))) {
    if (!claimTwice(group)) {
      patients.push(assign(nameOf(folder, group), group));
      continue;
    }
    for (const [stem, part] of groupBy(group, ({ path }) => stemOf(path))) patients.push(assign(stem, part));
  }
  return mergeFragments(patients);
}

/**
 * Some patients have a folder for each sequence. Groups that together make up one patient become one; its
 * name is that of the folder around them.
 */
function mergeFragments(patients) {
  const claimed = patients.flatMap((patient) => Object.keys(patient.slots));
  if (patients.length < 2 || patients.some((patient) => missing(patient).length === 0)) return patients;
  if (new Set(claimed).size < claimed.length) return patients;
  const entries = patients.flatMap((patient) => [...Object.values(patient.slots), ...patient.leftovers, ...patient.masks]);
  const around = new Set(entries.map(({ path }) => folderOf(folderOf(path))));
  return [assign(nameOf(around.size === 1 ? [...around][0] : "", entries), entries)];
}

/** A patient's name: the common part of the file names, or else the folder. */
function nameOf(folder, entries) {
  const stems = new Set(entries.filter(({ path }) => guessModality(path)).map(({ path }) => stemOf(path)));
  const [stem] = stems;
  if (stems.size === 1 && !guessModality(stem)) return stem;
  return lastPart(folder);
}

const others = (entries) => entries.filter(({ path }) => !isScan(path) && !isZip(path));

/** The files of some entries that belong to none of the patients found in them. */
export function ignored(entries, patients) {
  const taken = new Set(patients.flatMap(({ study }) => study ?? []));
  return others(entries).filter((entry) => !taken.has(entry));
}
