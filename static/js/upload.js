// The upload form: files from a drop or a picker go into the four slots by their names, can be
// corrected there, and are sent with progress. Several patients are handed to the batch list.

import { startBatch } from "./batch.js";
import { element, errorNotice, part } from "./dom.js";
import { droppedFiles, pickedFiles } from "./drop.js";
import { MODALITIES, TITLES } from "./modalities.js";
import { assign, findPatients, ignored, isScan, isZip, lacksLittle, missing, sendable } from "./patients.js";
import { megabytes, plural } from "./text.js";
import { Refusal, bytesOf, formFor, send } from "./transfer.js";

const form = document.getElementById("upload");
const parts = Object.fromEntries(
  ["errors", "dropzone", "files", "folder", "leftovers", "incomplete", "status", "submit", "transfer", "cancel", "batch", "slots"]
    .map((name) => [name, part(form, name)]),
);
const panel = form.closest('[data-part="upload"]');
const toggle = part(form, "toggle");
const transferText = part(form, "transfer-text");
const slotNodes = Object.fromEntries([...form.querySelectorAll("[data-slot]")].map((node) => [node.dataset.slot, node]));
const nameInput = form.elements.namedItem("name");
const namePlaceholder = nameInput.placeholder;
const maxBytes = Number(form.dataset.maxUploadMb) * 1024 * 1024;

const emptyPatient = () => ({ name: "", slots: {}, leftovers: [], masks: [], zip: null, study: null });
let patient = emptyPatient();
let batch = null;
let sending = null;

// Taking files in

async function take(entries) {
  clearErrors();
  open(true);
  const patients = await findPatients(entries);
  noteIgnored(ignored(entries, patients));
  if (sending || batch?.sending) {
    parts.errors.append(element("p", { class: "notice" }, "These files were not added. Wait until the current upload has ended."));
    return;
  }
  // Patients who are listed and not yet sent stay.
  const earlier = batch && !batch.sent ? batch.patients : [];
  const begun = !batch && (patient.zip || patient.study || Object.keys(patient.slots).length) ? [patient] : [];
  if (earlier.length || patients.length > 1) {
    const all = [...earlier, ...begun, ...patients];
    batch = startBatch(parts.batch, all, { form, maxBytes, onEnd: reset });
    patient = emptyPatient();
  } else if (patients.length) {
    batch = null;
    takePatient(patients[0]);
  }
  render();
}

function noteIgnored(entries) {
  if (!entries.length) return;
  const names = entries.slice(0, 3).map(({ path }) => path.split("/").at(-1)).join(", ");
  const more = entries.length > 3 ? ` and ${entries.length - 3} more` : "";
  parts.errors.append(element("p", { class: "notice break" }, `Left out, because neither NIfTI, DICOM nor zip: ${names}${more}.`));
}

/**
 * Files picked one after another are added to the same patient. A zip or a full set begins a new one. So does a
 * set that could be sent alone and repeats a sequence: two patients must not be mixed.
 */
function takePatient(found) {
  if (found.zip || found.study) {
    patient = { ...emptyPatient(), ...found };
    return;
  }
  const again = MODALITIES.some((modality) => found.slots[modality] && patient.slots[modality]);
  if (patient.zip || patient.study || !missing(found).length || (again && sendable(found))) patient = emptyPatient();
  const entries = [...Object.values(found.slots), ...found.leftovers, ...found.masks];
  const kept = Object.entries(patient.slots).filter(([modality]) => !found.slots[modality]);
  const fresh = assign(found.name, entries);
  patient = {
    ...fresh,
    zip: null,
    study: null,
    name: found.name || patient.name,
    slots: { ...Object.fromEntries(kept), ...fresh.slots },
    leftovers: [...patient.leftovers, ...fresh.leftovers],
  };
}

function place(modality, entry) {
  patient.zip = patient.study = null;
  patient.leftovers = patient.leftovers.filter((left) => left !== entry);
  patient.slots[modality] = entry;
  render();
}

function swap(from, to) {
  const { [from]: moved, [to]: other } = patient.slots;
  patient.zip = patient.study = null;
  patient.slots[to] = moved;
  if (other) patient.slots[from] = other;
  else delete patient.slots[from];
  const errors = [from, to].map((modality) => [...part(slotNodes[modality], "error").childNodes]);
  part(slotNodes[to], "error").replaceChildren(...errors[0]);
  part(slotNodes[from], "error").replaceChildren(...errors[1]);
  render();
  part(slotNodes[to], "swap").focus();
}

// Showing

function render() {
  for (const modality of MODALITIES) renderSlot(modality);
  renderLeftovers();
  const inBatch = Boolean(batch);
  parts.batch.hidden = !inBatch;
  for (const node of [parts.slots, form.querySelector(".upload-bar")]) node.hidden = inBatch;
  parts.status.textContent = statusText();
  renderIncomplete();
  nameInput.placeholder = patient.name || namePlaceholder;
  parts.submit.disabled = Boolean(sending) || !sendable(patient);
  parts.submit.textContent = patient.study ? "Upload" : "Segment";
  for (const name of ["dropzone", "slots", "leftovers"]) parts[name].inert = Boolean(sending);
  form.classList.toggle("sending", Boolean(sending));
}

/** The panel is a bar until there is something to see or to do in it. */
function open(wanted) {
  panel.classList.toggle("open", wanted);
  toggle.setAttribute("aria-expanded", String(wanted));
  toggle.textContent = wanted ? "Close" : "One by one";
}

const isOpen = () => panel.classList.contains("open");

/** Nothing that was chosen or refused is hidden by closing. */
function close() {
  if (sending || batch?.sending) return;
  reset();
  open(false);
}

function renderSlot(modality) {
  const node = slotNodes[modality], entry = patient.slots[modality];
  node.classList.toggle("filled", Boolean(entry));
  part(node, "name").textContent = entry ? entry.file.name : source();
  part(node, "choose").textContent = entry ? "Change" : "Choose";
  for (const name of ["swap", "clear"]) part(node, name).hidden = !entry;
  part(node, "swap").value = modality;
}

/** Where an empty slot will be filled from. */
function source() {
  if (patient.study) return "From the study";
  return patient.zip ? "From the zip" : "No file yet";
}

function renderLeftovers() {
  parts.leftovers.hidden = !patient.leftovers.length;
  const rows = patient.leftovers.map((entry) => {
    const select = element("select", { "aria-label": `${entry.file.name} is` },
      element("option", { value: "" }, "is …"),
      ...MODALITIES.map((modality) => element("option", { value: modality }, TITLES[modality])));
    select.addEventListener("change", () => place(select.value, entry));
    return element("li", {}, element("span", { class: "break" }, entry.file.name), select);
  });
  parts.leftovers.querySelector("ul").replaceChildren(...rows);
}

function renderIncomplete() {
  parts.incomplete.hidden = !lacksLittle(patient) || Boolean(batch);
  parts.incomplete.textContent = `${titles(missing(patient))} may be left out, at a cost in accuracy.`;
}

const titles = (modalities) => modalities.map((modality) => TITLES[modality]).join(", ");

function statusText() {
  if (patient.study?.length === 1 && isScan(patient.study[0].path)) return `Four volumes in one file, ${megabytes(bytesOf(patient))}.`;
  if (patient.study && !patient.zip) return `DICOM study, ${plural(patient.study.length, "file")}, ${megabytes(bytesOf(patient))}.`;
  if (patient.zip) return `${patient.study ? "DICOM study, " : ""}${patient.zip.file.name}, ${megabytes(bytesOf(patient))}.`;
  const count = Object.keys(patient.slots).length;
  if (!count) return "No files yet.";
  const absent = missing(patient);
  const masks = patient.masks.length ? ` ${plural(patient.masks.length, "mask")} left out.` : "";
  const rest = absent.length ? ` Still missing: ${titles(absent)}.` : ` ${megabytes(bytesOf(patient))}.`;
  return `${count} of ${MODALITIES.length} sequences.${rest}${masks}`;
}

function clearErrors() {
  parts.errors.replaceChildren();
  for (const node of Object.values(slotNodes)) part(node, "error").replaceChildren();
}

/** Show an error beside the file that it names, or else beside the form. If files have the same name, it also names the sequence. */
function showError(error) {
  const [name, sequence] = (error.file ?? "").split("/").reverse();
  const slot = MODALITIES.find((modality) => patient.slots[modality]?.file.name === name && modality === (sequence ?? modality));
  if (slot) part(slotNodes[slot], "error").replaceChildren(errorNotice(error, { nameFile: false }));
  else parts.errors.append(errorNotice(error));
}

// Sending

async function submit() {
  clearErrors();
  if (bytesOf(patient) > maxBytes) {
    showError(new Refusal({
      code: "too_large",
      message: `The upload has ${megabytes(bytesOf(patient))}; this server accepts ${megabytes(maxBytes)}.`,
      hint: "Compress the scans as .nii.gz.",
    }));
    return;
  }
  sending = new AbortController();
  parts.transfer.hidden = false;
  render();
  parts.cancel.focus();
  try {
    const name = nameInput.value.trim() || patient.name;
    const made = await send(form.dataset.api, await formFor(patient, name), { onProgress: showProgress, signal: sending.signal });
    // The upload is complete: leaving the page now loses nothing.
    sending = null;
    window.location.assign(form.dataset.pages + encodeURIComponent(made.id));
  } catch (error) {
    if (error instanceof Refusal) showError(error);
    else if (error.name !== "AbortError") throw error;
    finishSending();
    if (error.name === "AbortError") parts.status.textContent = "Upload cancelled. Nothing was kept.";
  }
}

function finishSending() {
  sending = null;
  parts.transfer.hidden = true;
  render();
  parts.submit.focus();
}

function showProgress({ sent, total, bytesPerSecond }) {
  const fraction = total ? sent / total : 0;
  parts.transfer.querySelector("progress").value = fraction;
  transferText.textContent = fraction < 1
    ? `${Math.floor(100 * fraction)} % of ${megabytes(total)}, ${megabytes(bytesPerSecond)}/s`
    : "Sent. The server is checking the files …";
}

function reset() {
  batch = null;
  patient = emptyPatient();
  clearErrors();
  render();
}

// Wiring

function wireSlots() {
  for (const modality of MODALITIES) {
    const node = slotNodes[modality], input = part(node, "input");
    input.addEventListener("change", () => {
      const [entry] = pickedFiles(input.files);
      input.value = "";
      if (!entry) return;
      clearErrors();
      if (isZip(entry.path)) take([entry]);
      else place(modality, entry);
    });
    part(node, "clear").addEventListener("click", () => {
      delete patient.slots[modality];
      patient.zip = patient.study = null;
      part(node, "error").replaceChildren();
      render();
      input.focus();
    });
    part(node, "swap").addEventListener("change", (event) => swap(modality, event.target.value));
  }
}

function wirePickers() {
  for (const input of [parts.files, parts.folder]) {
    input.addEventListener("change", () => {
      const entries = pickedFiles(input.files);
      input.value = "";
      if (entries.length) take(entries);
    });
  }
}

/** The whole page takes drops, so that a near miss does not make the browser open a scan. */
function wireDrop() {
  let depth = 0;
  const lit = (on) => panel.classList.toggle("over", on);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => { if (hasFiles(event)) { depth += 1; lit(true); } });
  window.addEventListener("dragleave", (event) => { if (hasFiles(event)) { depth -= 1; lit(depth > 0); } });
  window.addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  window.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    lit(false);
    const entries = await droppedFiles(event.dataTransfer);
    if (entries.length) take(entries);
  });
}

toggle.addEventListener("click", () => { if (isOpen()) close(); else open(true); });
open(isOpen());
wireSlots();
wirePickers();
wireDrop();
// Leaving the page would end an upload: the browser asks first.
window.addEventListener("beforeunload", (event) => { if (sending || batch?.sending) event.preventDefault(); });
parts.cancel.addEventListener("click", () => sending?.abort());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!sending && sendable(patient)) submit();
});
render();
