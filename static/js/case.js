// The page of a case that waits or runs: shows how far it is, and the result as soon as it is there.

import { part } from "./dom.js";
import { poll } from "./poll.js";
import { duration } from "./text.js";

const INTERVAL_MS = 200;

const job = document.getElementById("job");
const bar = job.querySelector("progress");
const trouble = part(job, "trouble");
const titles = Object.fromEntries(
  [...part(job, "stages").content.querySelectorAll("[data-stage]")].map((node) => [node.dataset.stage, node.textContent]),
);
const opened = performance.now();

function setText(name, text) {
  const node = part(job, name);
  // Setting the same text again would make a screen reader repeat it.
  if (node.textContent !== text) node.textContent = text;
}

function show({ state, stage, progress }) {
  if (state !== "queued" && state !== "running") {
    window.location.reload();
    return false;
  }
  trouble.hidden = true;
  const key = state === "queued" ? "queued" : stage;
  setText("stage", titles[key] ?? key ?? "");
  bar.value = progress ?? 0;
  setText("percent", `${Math.floor(100 * (progress ?? 0))} %`);
  return true;
}

// Counted from the opening of this page: the clocks of server and reader may differ.
setInterval(() => setText("elapsed", duration((performance.now() - opened) / 1000)), 500);

poll(job.dataset.api, {
  interval: INTERVAL_MS,
  onData: show,
  onTrouble: (text) => {
    trouble.textContent = text;
    trouble.hidden = false;
  },
});
