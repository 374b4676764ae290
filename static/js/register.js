// Asks the server to register the first case to the second, and shows both beside each other when that is done.

import { errorNotice, part } from "./dom.js";

const status = document.getElementById("register");

async function register() {
  const answer = await fetch(status.dataset.api, { method: "POST" });
  if (answer.ok) {
    window.location.reload();
    return;
  }
  const { error } = await answer.json();
  status.replaceChildren(errorNotice(error));
}

if (status) {
  register().catch(() => { part(status, "text").textContent = "The server could not be reached. Reload the page to try again."; });
}
