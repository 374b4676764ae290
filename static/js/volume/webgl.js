// Whether this browser can draw volumes at all.

/** WebGL2 is there and works; the context that proves it is given back at once. */
export function hasWebGL2() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}
