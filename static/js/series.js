// Choosing which series is which sequence: each is chosen once, and the page says what is missing.

import { part } from "./dom.js";

const form = document.getElementById("series");
const status = part(form, "status");
const button = form.querySelector("button[type=submit]");
const selects = [...form.querySelectorAll(".series select")];
const titles = new Map([...selects[0]?.options ?? []].filter(({ value }) => value).map(({ value, text }) => [value, text]));
const LEAST = titles.size - 1;

function show() {
  const chosen = new Set(selects.map(({ value }) => value).filter(Boolean));
  const missing = [...titles].filter(([value]) => !chosen.has(value)).map(([, title]) => title);
  for (const select of selects) select.closest("tr").classList.toggle("used", Boolean(select.value));
  button.disabled = chosen.size < LEAST;
  if (!missing.length) status.textContent = "All four sequences are chosen.";
  else if (chosen.size < LEAST) status.textContent = `${missing.join(", ")} missing. Choose at least ${LEAST} sequences.`;
  else status.textContent = `${missing.join(", ")} missing. One sequence may be left out, at a cost in accuracy.`;
}

form.addEventListener("change", ({ target }) => {
  // A sequence that is chosen anew is taken from the series that had it.
  for (const other of selects) if (other !== target && other.value === target.value) other.value = "";
  show();
});
form.addEventListener("submit", () => {
  button.disabled = true;
  button.textContent = "Reading the series …";
});
// Coming back, the browser may show the page as it was left.
window.addEventListener("pageshow", () => {
  button.textContent = "Segment";
  show();
});
show();
