// Small helpers for elements. Text is only ever added as text, never as HTML.

export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** An element with attributes and children; strings become text nodes. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** The server's error as a notice, word for word. */
export function errorNotice({ message, hint, code, file }, { nameFile = true } = {}) {
  const lead = nameFile && file ? `${file}: ${message}` : message;
  return element("div", { class: "notice notice-error break", role: "alert" },
    element("strong", {}, lead),
    hint ? element("span", {}, `${hint} `) : "",
    code ? element("code", { class: "small" }, code) : "");
}
