// Keyboard shortcuts. A control that uses a key itself keeps it.

const ARROWS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"]);

function takenBy(target, key) {
  if (target.closest("dialog[open], [popover]")) return true;
  if (target.matches("textarea, select, input[type=text], input[type=search], input[type=number]")) return true;
  return ARROWS.has(key) && target.matches("input[type=range], input[type=radio]");
}

/** Call `actions[key]` when the key is pressed; letters in either case, never with Ctrl, Alt or Meta. */
export function wireKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = actions[key];
    if (!action || takenBy(event.target, key)) return;
    event.preventDefault();
    action();
  });
}
