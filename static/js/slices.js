// Loads rendered slices: first the one asked for last, then its neighbours while nothing else is asked for.

const KEPT = 240;
const AHEAD = 4;
// A view at rest for this long also gets the same slice in the other sequences.
const REST_MS = 250;

/** Decoded pictures by address, the least recently used forgotten first. */
class Pictures {
  #kept = new Map();

  /** A decoded `<img>`; the same promise for the same address. */
  get(url) {
    const known = this.#kept.get(url);
    if (known) {
      this.#kept.delete(url);
      this.#kept.set(url, known);
      return known;
    }
    const image = new Image();
    image.draggable = false;
    image.src = url;
    const loading = image.decode().then(() => image);
    this.#kept.set(url, loading);
    // A failure is not kept, so that the next request tries again.
    loading.catch(() => this.#kept.delete(url));
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return loading;
  }
}

const pictures = new Pictures();

/** Addresses of the slices around one, nearest first, those ahead before those behind. */
function neighbours({ urlAt, index, count, direction }) {
  const steps = Array.from({ length: AHEAD }, (_, at) => (at + 1) * direction);
  return steps.flatMap((step) => [index + step, index - step])
    .filter((other) => other >= 0 && other < count).map(urlAt);
}

/** Shows one plane's slices in its picture. While one is loading, only the last request is remembered. */
export class SliceView {
  #node;
  #wanted = null;
  #shown = null;
  #busy = false;

  constructor(node) {
    this.#node = node;
  }

  /**
   * Ask for a slice: `urlAt(index)` gives addresses, `alt` describes it, `direction` is where
   * scrolling goes, `others` are addresses that may be wanted next.
   */
  show(request) {
    this.#wanted = request;
    if (!this.#busy) this.#work();
  }

  async #work() {
    this.#busy = true;
    while (this.#wanted) {
      const request = this.#wanted;
      this.#wanted = null;
      const slow = setTimeout(() => this.#node.classList.add("slow"), 400);
      try {
        this.#put(await pictures.get(request.urlAt(request.index)), request.alt);
        this.#node.classList.remove("broken");
        this.#shown = request;
      } catch {
        this.#node.classList.add("broken");
      }
      clearTimeout(slow);
      this.#node.classList.remove("slow");
    }
    this.#busy = false;
    if (this.#shown) this.#prefetch(this.#shown);
  }

  /** The decoded element takes the place of the old one: no flicker, no second decoding. */
  #put(image, alt) {
    const old = this.#node.querySelector("img");
    image.alt = alt;
    if (old === image) return;
    image.width = old.width;
    image.height = old.height;
    old.replaceWith(image);
  }

  /** Fetch what may be wanted next, one by one so that a new request finds the server free. */
  async #prefetch(request) {
    const current = () => !this.#busy && this.#shown === request;
    for (const url of neighbours(request)) {
      if (!current()) return;
      await pictures.get(url).catch(() => {});
    }
    await new Promise((resolve) => { setTimeout(resolve, REST_MS); });
    for (const url of request.others) {
      if (!current()) return;
      await pictures.get(url).catch(() => {});
    }
  }
}
