// A deletion can be undone for as long as the server says; the offer counts down and goes.

import { part } from "./dom.js";

const SECOND_MS = 1000;
let ticking = null;

/** Count down the offer of a form; null where nothing was deleted. */
export function wireUndo(form) {
  clearInterval(ticking);
  if (!form) return;
  const end = Date.now() + SECOND_MS * Number(form.dataset.seconds);
  ticking = setInterval(() => {
    const left = Math.ceil((end - Date.now()) / SECOND_MS);
    part(form, "seconds").textContent = String(Math.max(0, left));
    if (left > 0) return;
    clearInterval(ticking);
    form.remove();
  }, SECOND_MS);
}
