// What a pointer and a wheel do over a pane, as OHIF and RadiAnt have it: one set of gestures for every pane.

// A notch of a mouse's wheel is one slice, whatever its size; smaller turns are a trackpad's and are added up.
const NOTCH_PIXELS = 50;
const ZOOM_A_PIXEL = 0.0022;
const DRAG_ZOOM_A_PIXEL = 0.008;

/** Adds the turns of a wheel up to whole slices. */
export class Wheel {
  #turned = 0;

  /** Slices to go for one event; positive for a turn down. */
  slices({ deltaY, deltaMode }) {
    if (deltaMode !== 0 || Math.abs(deltaY) >= NOTCH_PIXELS) {
      this.#turned = 0;
      return Math.sign(deltaY);
    }
    this.#turned += deltaY;
    const whole = Math.trunc(this.#turned / NOTCH_PIXELS);
    this.#turned -= whole * NOTCH_PIXELS;
    return whole;
  }
}

/** Keys that are held down and change what a drag does. Letting go outside of the window counts, too. */
export function heldKeys() {
  const held = new Set();
  const busy = ({ target }) => target.closest?.("dialog[open], input:not([type=radio], [type=checkbox], [type=range]), textarea, select");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || busy(event)) return;
    const key = event.key.toLowerCase();
    held.add(key);
    // The space bar would scroll the page.
    if (key === " " && event.target.closest?.(".pane")) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => held.delete(event.key.toLowerCase()));
  window.addEventListener("blur", () => held.clear());
  return held;
}

const kindOf = (event, held) => {
  if (event.button === 1 || (event.button === 0 && held.has(" "))) return "pan";
  if (event.button === 2) return "zoom";
  if (held.has("w")) return "window";
  return "primary";
};

/**
 * Wire a pane. `on` has: step(slices), zoom(factor, point), pan(dx, dy), window(dx, dy), enlarge(), hover(point),
 * leave(), and start(point, event), move(point, event), end(point, event) for the left button.
 * Points are pixels from the left top corner of `node`.
 */
export function wireGestures(node, held, on) {
  const wheel = new Wheel();
  const fingers = new Map();
  let drag = null;
  const pointOf = (event) => {
    const { left, top } = node.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  node.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) {
      on.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 33 : 1) * ZOOM_A_PIXEL), pointOf(event));
      return;
    }
    const slices = wheel.slices(event);
    if (slices) on.step(-slices);
  }, { passive: false });
  node.addEventListener("contextmenu", (event) => event.preventDefault());
  // The middle button would begin to scroll by itself.
  node.addEventListener("mousedown", (event) => { if (event.button === 1) event.preventDefault(); });
  node.addEventListener("dblclick", () => on.enlarge());

  node.addEventListener("pointerdown", (event) => {
    const point = pointOf(event);
    node.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, point);
      if (fingers.size > 1) {
        if (drag?.kind === "primary") on.end(point, event);
        drag = { kind: "pinch" };
        return;
      }
    }
    drag = { kind: kindOf(event, held), last: point, first: point };
    if (drag.kind === "primary") on.start(point, event);
  });
  node.addEventListener("pointermove", (event) => {
    const point = pointOf(event);
    if (!drag) {
      on.hover(point);
      return;
    }
    if (drag.kind === "pinch") {
      pinch(event.pointerId, point);
      return;
    }
    const [dx, dy] = [point.x - drag.last.x, point.y - drag.last.y];
    drag.last = point;
    if (drag.kind === "pan") on.pan(dx, dy);
    else if (drag.kind === "zoom") on.zoom(Math.exp(-dy * DRAG_ZOOM_A_PIXEL), drag.first);
    else if (drag.kind === "window") on.window(dx, -dy);
    else on.move(point, event);
  });
  const end = (event) => {
    fingers.delete(event.pointerId);
    if (drag?.kind === "primary") on.end(pointOf(event), event);
    if (!fingers.size) drag = null;
  };
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
  node.addEventListener("pointerleave", () => { if (!drag) on.leave(); });

  /** Two fingers move and zoom the picture. */
  function pinch(id, point) {
    if (!fingers.has(id) || fingers.size < 2) return;
    const span = () => {
      const [a, b] = [...fingers.values()];
      return { length: Math.hypot(a.x - b.x, a.y - b.y) || 1, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    };
    const before = span();
    fingers.set(id, point);
    const after = span();
    on.zoom(after.length / before.length, after);
    on.pan(after.x - before.x, after.y - before.y);
  }
}
