// Keeps the worklist current: asks for the cases while any waits or runs, and after an upload.

import { element, part } from "./dom.js";
import { poll } from "./poll.js";
import { localTime, millilitres } from "./text.js";

const INTERVAL_MS = 1000;
const STATES = { unconfirmed: "Check the series", queued: "Queued", running: "Segmenting", done: "Done", failed: "Failed" };
const isActive = (state) => state === "queued" || state === "running";

const section = document.getElementById("worklist");
const body = section.querySelector("tbody");
const trouble = part(section, "trouble");
const template = document.getElementById("case-row");
const rowOf = (id) => body.querySelector(`[data-case="${CSS.escape(id)}"]`);
const field = (row, name) => row.querySelector(`[data-field="${name}"]`);

/** A row from the page's own template, in which "{id}" stands for the case. */
function makeRow(id) {
  const row = template.content.firstElementChild.cloneNode(true);
  for (const node of [row, ...row.querySelectorAll("*")]) {
    for (const { name, value } of [...node.attributes]) {
      if (value.includes("{id}")) node.setAttribute(name, value.replace("{id}", encodeURIComponent(id)));
    }
  }
  row.dataset.case = id;
  return row;
}

function update(row, item) {
  row.dataset.state = item.state;
  for (const name of row.querySelectorAll('[data-field="name"]')) name.textContent = item.name;
  const patient = field(row, "patient");
  patient.hidden = !item.patient;
  patient.textContent = item.patient ? [item.patient.name, item.patient.identifier].filter(Boolean).join(" · ") : "";
  field(row, "open").setAttribute("aria-label", `Open ${item.name}`);
  row.querySelector("[popovertarget]").setAttribute("aria-label", `Delete ${item.name}`);
  field(row, "delete").hidden = !item.may_change;
  field(row, "state").textContent = STATES[item.state] ?? item.state;
  const bar = field(row, "progress");
  bar.hidden = !isActive(item.state);
  bar.value = item.progress ?? 0;
  const error = field(row, "error");
  error.hidden = !item.error;
  error.textContent = item.error?.message ?? "";
  const choice = field(row, "choice");
  choice.disabled = item.state !== "done";
  choice.setAttribute("aria-label", `Compare ${item.name}`);
  showPicture(field(row, "picture"), item.thumbnail);
  field(row, "volume").textContent = item.whole_tumor_ml === null ? "–" : millilitres(item.whole_tumor_ml);
}

function showPicture(place, url) {
  if (!url || place.querySelector("img")?.getAttribute("src") === url) return;
  place.replaceChildren(element("img", { src: url, width: 56, height: 56, alt: "" }));
}

function showTime(row, iso) {
  const time = field(row, "created");
  time.dateTime = iso;
  time.textContent = localTime(iso);
}

/** Rows that moved on to the next page, or whose cases were deleted elsewhere. */
function removeAllBut(ids) {
  const gone = [...body.rows].filter((row) => !ids.has(row.dataset.case));
  for (const row of gone) row.remove();
  // One of them may have been chosen for comparing.
  if (gone.length) body.dispatchEvent(new Event("change"));
}

/** Show the server's list; returns whether anything still waits or runs. */
function show({ cases }) {
  trouble.hidden = true;
  let previous = null;
  for (const item of cases) {
    let row = rowOf(item.id);
    if (!row && fresh) {
      row = makeRow(item.id);
      showTime(row, item.created_at);
      if (previous) previous.after(row);
      else body.prepend(row);
      part(section, "table").hidden = false;
      part(section, "compare").hidden = false;
      part(section, "empty")?.remove();
    }
    if (row) update(row, item);
    previous = row ?? previous;
  }
  if (fresh) removeAllBut(new Set(cases.map(({ id }) => id)));
  return cases.some(({ state }) => isActive(state));
}

// Only the first, unfiltered page gains rows; elsewhere the rows that are shown are kept current.
const fresh = !window.location.search;
let polling = false;

async function follow() {
  if (polling) return;
  polling = true;
  await poll(section.dataset.api + window.location.search, {
    interval: INTERVAL_MS,
    onData: show,
    onTrouble: (text) => {
      trouble.textContent = text;
      trouble.hidden = false;
    },
  });
  polling = false;
}

/** Exactly two cases are compared; the button waits for the second. */
function wireCompare() {
  const button = part(section, "compare").querySelector("button");
  const count = () => {
    const chosen = body.querySelectorAll('[data-field="choice"]:checked').length;
    button.disabled = chosen !== 2;
    button.textContent = chosen === 1 ? "Compare with one more" : "Compare two cases";
  };
  body.addEventListener("change", count);
  // Coming back, the browser may have kept what was ticked.
  window.addEventListener("pageshow", count);
  count();
}

/** Making the demo case takes the server a moment: say so, and take one click only. */
function wireDemo() {
  const demo = document.getElementById("demo");
  const button = demo.querySelector("button");
  const label = button.textContent;
  demo.addEventListener("submit", () => {
    button.disabled = true;
    button.textContent = "Making the demo case …";
  });
  // Coming back from the case, the browser may show this page as it was left.
  window.addEventListener("pageshow", () => {
    button.disabled = false;
    button.textContent = label;
  });
}

wireDemo();
wireCompare();
for (const row of body.rows) showTime(row, field(row, "created").dateTime);
if ([...body.rows].some((row) => isActive(row.dataset.state))) follow();
document.addEventListener("case-added", follow);
