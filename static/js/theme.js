// Dark or light, as the reader chooses; the browser remembers it.

const button = document.getElementById("theme");
const root = document.documentElement;

function tell() {
  button.textContent = root.dataset.theme === "light" ? "Dark" : "Light";
}

button.addEventListener("click", () => {
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  try { window.localStorage.setItem("theme", root.dataset.theme); } catch { /* Not remembered. */ }
  tell();
});
tell();
