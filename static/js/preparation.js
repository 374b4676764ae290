// The page on the preparation: which slices are shown, and how two sequences lie on each other.

import { part } from "./dom.js";

const page = document.getElementById("preparation");
const sliders = page.querySelector(".sliders");
const query = new URLSearchParams(sliders.dataset.query);

/** Show a slice of a plane in all its pictures. */
function show(plane, index) {
  for (const figure of page.querySelectorAll(`.overlay[data-plane="${plane}"]`)) {
    for (const image of figure.querySelectorAll("img")) {
      query.set("modality", image.dataset.modality);
      image.src = `${figure.dataset.address}${index}.png?${query}`;
    }
  }
}

function showAll() {
  for (const slider of sliders.querySelectorAll("input")) show(slider.dataset.plane, slider.value);
}

for (const slider of sliders.querySelectorAll("input")) {
  slider.addEventListener("input", () => {
    slider.parentElement.querySelector("output").value = `${Number(slider.value) + 1} / ${Number(slider.max) + 1}`;
    show(slider.dataset.plane, slider.value);
  });
}

// One notch of the wheel is one slice, as on the page of the case.
for (const figure of page.querySelectorAll(".overlay")) {
  figure.addEventListener("wheel", (event) => {
    event.preventDefault();
    const slider = sliders.querySelector(`input[data-plane="${figure.dataset.plane}"]`);
    slider.value = Number(slider.value) + Math.sign(event.deltaY);
    slider.dispatchEvent(new Event("input"));
  }, { passive: false });
}

for (const choice of page.querySelectorAll('input[name="view"]')) {
  choice.addEventListener("change", () => { page.dataset.view = choice.value; });
}
part(page, "swipe")?.addEventListener("input", (event) => {
  page.style.setProperty("--swipe", `${event.target.value}%`);
});
part(page, "outline")?.addEventListener("change", (event) => {
  query.set("brain", event.target.checked ? 1 : 0);
  showAll();
});
