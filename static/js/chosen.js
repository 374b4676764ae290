// Choosing rows of the worklist: with boxes, a range with Shift, and by keys.

import { part } from "./dom.js";
import { wireKeys } from "./keys.js";
import { plural } from "./text.js";

const MOST_PACKED = 20;

/**
 * Wire the boxes and keys of a section; `list` returns the list that is shown.
 * Returns {ids, begin, count}: which cases are chosen; a new list begins with some of them; count them anew.
 */
export function wireChosen(section, { list, search, edit }) {
  const boxes = () => [...list().querySelectorAll('[data-field="choice"]')];
  const ticked = () => boxes().filter(({ checked }) => checked);
  const rowOf = (box) => box.closest("tr");
  let last = null;

  function count() {
    const bar = part(section, "chosen"), all = part(section, "all");
    if (!bar) return;
    const found = ticked(), done = found.filter((box) => rowOf(box).dataset.state === "done");
    bar.classList.toggle("some", found.length > 0);
    bar.inert = !found.length;
    part(bar, "count").textContent = found.length ? `${plural(found.length, "case")} chosen` : "";
    part(bar, "compare").disabled = found.length !== 2 || done.length !== 2;
    part(bar, "compare").textContent = found.length === 1 ? "Compare with one more" : "Compare";
    part(bar, "zip").disabled = !done.length || done.length > MOST_PACKED;
    const own = found.every((box) => "own" in rowOf(box).dataset);
    for (const button of bar.querySelectorAll("[data-own]")) button.disabled = !own;
    all.checked = found.length > 0 && found.length === boxes().length;
    all.indeterminate = found.length > 0 && !all.checked;
    for (const box of boxes()) rowOf(box).classList.toggle("is-chosen", box.checked);
  }

  function choose(wanted) {
    for (const box of boxes()) box.checked = wanted(box);
    count();
  }

  /** The boxes between the last one that was clicked and this one become like this one. */
  function range(box) {
    const shown = boxes(), ends = [shown.indexOf(last), shown.indexOf(box)].sort((a, b) => a - b);
    if (ends[0] >= 0) for (const between of shown.slice(ends[0], ends[1] + 1)) between.checked = box.checked;
  }

  section.addEventListener("click", (event) => {
    const box = event.target.closest('[data-field="choice"]');
    if (event.target.closest('[data-part="none"]')) choose(() => false);
    if (!box) return;
    if (event.shiftKey) range(box);
    last = box;
    count();
  });
  section.addEventListener("change", (event) => {
    if (event.target.closest('[data-part="all"]')) choose(() => event.target.checked);
  });

  /** Move the focus to the link of the next or the previous row. */
  function step(by) {
    const links = boxes().map((box) => rowOf(box).querySelector("th a"));
    const row = document.activeElement?.closest("tr[data-case]");
    const place = row ? links.findIndex((link) => rowOf(link) === row) + by : 0;
    links[Math.max(0, Math.min(links.length - 1, place))]?.focus();
  }

  const focusedRow = () => document.activeElement?.closest("tr[data-case]");

  // Only from within the list: elsewhere the arrows scroll.
  section.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || !focusedRow() || event.target.matches("select") || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    step(by);
  });
  wireKeys({
    j: () => step(1),
    k: () => step(-1),
    x: () => focusedRow()?.querySelector('[data-field="choice"]').click(),
    e: () => { if (focusedRow()?.querySelector('[data-part="edit-one"]')) edit(focusedRow()); },
    "/": () => search.focus(),
    Delete: () => { if (ticked().length) part(section, "delete").click(); },
    Escape: () => choose(() => false),
  });

  return {
    ids: () => ticked().map(({ value }) => value),
    count,
    begin: (kept) => {
      last = null;
      choose((box) => kept.includes(box.value));
    },
  };
}
