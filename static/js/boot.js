// A classic script in the head, so that class and theme are there before the first paint and nothing shifts.
document.documentElement.classList.add("js");
try { document.documentElement.dataset.theme = window.localStorage.getItem("theme") || "dark"; } catch { /* Nothing is remembered. */ }
