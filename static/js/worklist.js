// The worklist: sorts, filters, pages and changes it without leaving the page, and keeps it current.
// The server draws the list. What comes back from a link or a form is its page, of which the list is taken.

import { wireChosen } from "./chosen.js";
import { part } from "./dom.js";
import { poll } from "./poll.js";
import { localTime } from "./text.js";
import { wireUndo } from "./undo.js";

const INTERVAL_MS = 1000;
// Long enough for a word to be typed, short enough not to be waited for.
const TYPING_MS = 250;
const NO_ANSWER = "The server does not answer. Load this page again.";
const isActive = (state) => state === "queued" || state === "running";

const section = document.getElementById("worklist");
const filters = part(section, "filters");
const trouble = part(section, "trouble");
const dialog = document.getElementById("edit");
const list = () => part(section, "list");
const rows = () => [...list().querySelectorAll("tbody tr")];
const field = (row, name) => row.querySelector(`[data-field="${name}"]`);

const tell = (text) => {
  trouble.textContent = text;
  trouble.hidden = !text;
};

// Getting the list

let newest = 0;
let before = Promise.resolve();

/**
 * Show the list at an address, or the one that a form leads to.
 * One after another, so that no list is older than the change before it; the last one counts.
 */
function load(address, options = {}) {
  const turn = ++newest;
  before = before.then(async () => {
    if (options.method !== "POST" && turn !== newest) return;
    const answer = await fetch(address, { cache: "no-store", ...options }).catch(() => null);
    const text = await answer?.text().catch(() => "") ?? "";
    if (turn === newest) take(text, answer?.url);
  });
}

/** Show the list of a page, or say what the page says. */
function take(text, address) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const found = page.getElementById("worklist");
  if (found) show(part(found, "list"), address);
  else tell(page.querySelector("main p")?.textContent ?? NO_ANSWER);
}

/** Put a list in place of the one that is shown; what was chosen, and what has the focus, keeps it. */
function show(fresh, address) {
  const focused = document.activeElement?.closest('[data-part="list"]') ? pathTo(document.activeElement) : null;
  const kept = chosen.ids();
  list().replaceWith(document.adoptNode(fresh));
  window.history.replaceState(null, "", address);
  const query = new URLSearchParams(window.location.search);
  filters.elements.sort.value = query.get("sort") ?? "created";
  filters.elements.order.value = query.get("order") ?? "desc";
  tell("");
  begin(kept);
  if (focused) list().querySelector(focused)?.focus({ preventScroll: true });
}

/** A selector by which an element of the list is found again in another list. */
function pathTo(node) {
  const row = node.closest("tr[data-case]");
  const named = ["data-field", "data-part", "value"].find((name) => node.hasAttribute(name));
  const own = named ? `[${named}="${CSS.escape(node.getAttribute(named))}"]` : `a[href]`;
  if (row) return `tr[data-case="${CSS.escape(row.dataset.case)}"] ${own}`;
  const head = node.closest("th")?.classList[0];
  return head ? `th.${head} a` : own;
}

const reload = () => load(window.location.href);

// Following cases that are being segmented

/** Progress is written into the rows; anything else that has changed is drawn anew by the server. */
function follow({ cases }) {
  const shown = rows();
  const same = cases.length === shown.length
    && cases.every(({ id, state }, place) => shown[place].dataset.case === id && shown[place].dataset.state === state);
  tell("");
  if (!same) reload();
  for (const { id, progress } of cases) {
    const row = shown.find(({ dataset }) => dataset.case === id);
    const bar = row && field(row, "progress");
    if (bar) bar.value = progress ?? 0;
  }
  return cases.some(({ state }) => isActive(state));
}

let polling = false;

/** Ask for the list as long as something waits or runs. */
async function watch() {
  if (polling) return;
  polling = true;
  await poll(() => `${section.dataset.api}${listQuery()}`, { interval: INTERVAL_MS, onData: follow, onTrouble: tell });
  polling = false;
}

/** The query of the page, with as many rows as the page has. */
function listQuery() {
  const query = new URLSearchParams(window.location.search);
  if (!query.has("per_page")) query.set("per_page", section.dataset.rows);
  for (const [name, value] of [...query]) if (!value) query.delete(name);
  return `?${query}`;
}

// What is done to the list

function wireLinks() {
  section.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-load]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    load(link.href);
    if (!new URL(link.href).search) clearFilters();
  });
}

function clearFilters() {
  for (const name of ["q", "state", "status", "only"]) filters.elements[name].value = "";
}

function wireFilters() {
  let typing;
  const search = () => {
    const query = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value));
    load(`${section.dataset.page}?${query}`);
  };
  filters.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    search();
  });
  filters.addEventListener("change", (event) => { if (event.target.type !== "search") search(); });
  filters.addEventListener("input", (event) => {
    if (event.target.type !== "search") return;
    clearTimeout(typing);
    typing = setTimeout(search, TYPING_MS);
  });
}

/** Forms that change cases answer with the list. */
function wireForms() {
  section.addEventListener("submit", (event) => {
    const form = event.target, button = event.submitter;
    if (form.method === "dialog" || form === filters || button?.formMethod === "get") return;
    event.preventDefault();
    const action = button?.hasAttribute("formaction") ? button.formAction : form.action;
    const body = new URLSearchParams(new FormData(form, button));
    if (form === part(section, "edit")) dialog.close();
    load(action, { method: "POST", body });
  });
}

function wireRows() {
  section.addEventListener("change", (event) => {
    const select = event.target.closest('select[data-field="status"]');
    if (!select) return;
    const body = new URLSearchParams({ case: select.closest("tr").dataset.case, status: select.value, view: view() });
    load(`${section.dataset.page}cases/status`, { method: "POST", body });
  });
  section.addEventListener("click", (event) => {
    if (event.target.closest('[data-part="edit-one"]')) edit(event.target.closest("tr"));
  });
  part(dialog, "cancel").addEventListener("click", () => dialog.close());
}

const view = () => window.location.search.slice(1);

function edit(row) {
  const form = part(dialog, "edit");
  form.action = `${section.dataset.page}cases/${encodeURIComponent(row.dataset.case)}/details`;
  form.elements.name.value = field(row, "name").textContent;
  form.elements.note.value = row.dataset.note;
  form.elements.view.value = view();
  dialog.showModal();
}

/** Making the demo case takes the server a moment: say so, and take one click only. */
function wireDemo() {
  const demo = document.getElementById("demo");
  const [button] = demo.elements;
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

/** Wire a list that has just come. */
function begin(kept) {
  for (const row of rows()) {
    const time = field(row, "created");
    time.textContent = localTime(time.dateTime);
  }
  chosen.begin(kept);
  wireUndo(part(section, "undo"));
  if (rows().some(({ dataset }) => isActive(dataset.state))) watch();
}

const chosen = wireChosen(section, { search: document.getElementById("q"), edit, list });
wireDemo();
wireLinks();
wireFilters();
wireForms();
wireRows();
begin([]);
// Coming back, the browser may have kept what was ticked.
window.addEventListener("pageshow", () => chosen.count());
document.addEventListener("case-added", watch);
