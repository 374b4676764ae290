// Whether this browser can draw volumes at all, and quickly.

// What browsers call it when the processor stands in for a graphics card.
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Call `look` with a WebGL2 context, null where there is none, and give it back at once. */
function withContext(look) {
  const context = document.createElement("canvas").getContext("webgl2");
  const found = look(context);
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return found;
}

/** WebGL2 is there and works. */
export const hasWebGL2 = () => withContext((context) => context !== null);

/** A graphics card draws it, not the processor alone. */
export const hasFastWebGL2 = () => withContext((context) => {
  const info = context?.getExtension("WEBGL_debug_renderer_info");
  const name = context?.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  return Boolean(name) && !SOFTWARE.test(name);
});
