// Several patients at once: a list of what was found, sent one after another.

import { element, errorNotice, part } from "./dom.js";
import { MODALITIES, TITLES } from "./modalities.js";
import { lacksLittle, missing, sendable } from "./patients.js";
import { megabytes, plural } from "./text.js";
import { Refusal, bytesOf, formFor, send } from "./transfer.js";

function contents(patient) {
  if (patient.study) return "DICOM study";
  if (patient.zip) return "zip";
  const absent = missing(patient);
  const count = `${MODALITIES.length - absent.length} of ${MODALITIES.length} sequences`;
  return absent.length ? `${count}, missing ${absent.map((modality) => TITLES[modality]).join(", ")}` : count;
}

function rowFor(patient) {
  const row = element("li", { class: "batch-row" },
    element("span", { class: "break batch-name" }, patient.name || "Unnamed"),
    element("span", { class: "muted number batch-state", role: "status" }, `${contents(patient)}, ${megabytes(bytesOf(patient))}`),
    element("progress", { max: "1", value: "0", hidden: true, "aria-label": `Upload of ${patient.name}` }));
  return { patient, row, state: row.querySelector(".batch-state"), bar: row.querySelector("progress") };
}

/**
 * Show the patients in `node` and offer to send those with enough sequences.
 * Returns {patients, sending, sent}: whether an upload is under way, and whether it has been begun.
 * `onEnd` is called when the list is put away.
 */
export function startBatch(node, patients, { form, maxBytes, onEnd }) {
  const rows = patients.map(rowFor);
  const chosen = rows.filter(({ patient }) => sendable(patient));
  const abort = new AbortController();
  const status = { patients, sending: false, sent: false };
  const go = element("button", { class: "button button-primary", type: "button" },
    `Segment ${plural(chosen.length, "patient")}`);
  const goRow = element("li", { class: "batch-go" }, go);
  go.disabled = chosen.length === 0;
  part(node, "batch-title").textContent = `${plural(patients.length, "patient")} found`;
  part(node, "batch-incomplete").hidden = !patients.some(lacksLittle);
  node.querySelector("ul").replaceChildren(...rows.map(({ row }) => row), goRow);

  go.addEventListener("click", async () => {
    go.disabled = true;
    status.sending = status.sent = true;
    try {
      for (const entry of chosen) {
        if (!abort.signal.aborted) await sendOne(entry, form, maxBytes, abort.signal);
      }
    } finally {
      status.sending = false;
      goRow.remove();
    }
  });
  part(node, "batch-clear").onclick = () => {
    abort.abort();
    onEnd();
  };
  return status;
}

async function sendOne({ patient, row, state, bar }, form, maxBytes, signal) {
  bar.hidden = false;
  const onProgress = ({ sent, total }) => {
    bar.value = total ? sent / total : 0;
    state.textContent = sent < total ? `${Math.floor((100 * sent) / total)} %` : "Checking …";
  };
  try {
    if (bytesOf(patient) > maxBytes) {
      throw new Refusal({ code: "too_large", message: `This patient's files are larger than ${megabytes(maxBytes)}.` });
    }
    const made = await send(form.dataset.api, await formFor(patient, patient.name), { onProgress, signal });
    // In a page of its own: this one still sends the others.
    const href = form.dataset.pages + encodeURIComponent(made.id);
    state.replaceChildren(element("a", { href, target: "_blank", rel: "noopener" }, "Open"));
    document.dispatchEvent(new CustomEvent("case-added"));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refusal)) throw error;
    state.textContent = "Refused";
    row.append(errorNotice(error));
  } finally {
    bar.hidden = true;
  }
}
