// The view as a PNG file: what is on the stage, with a line that says what it is.

const FONT = "13px system-ui, sans-serif";
const FOOTER_PX = 28;
const NOTE = "Research use only. Not a medical device.";

/** Paint panes where they stand in `area`, their titles, and `caption` below. */
export function compose(area, pictures, caption) {
  const frame = area.getBoundingClientRect();
  const scale = pictures[0].canvas.width / pictures[0].canvas.clientWidth;
  const paper = document.createElement("canvas");
  paper.width = Math.round(frame.width * scale);
  paper.height = Math.round((frame.height + FOOTER_PX) * scale);
  const context = paper.getContext("2d");
  context.fillRect(0, 0, paper.width, paper.height);
  context.scale(scale, scale);
  context.font = FONT;
  context.fillStyle = getComputedStyle(area).color;
  context.textBaseline = "top";
  for (const { canvas, node } of pictures) {
    const place = canvas.getBoundingClientRect();
    context.drawImage(canvas, place.left - frame.left, place.top - frame.top, place.width, place.height);
    for (const title of node.querySelectorAll("span")) {
      const { left, top } = title.getBoundingClientRect();
      context.fillText(title.textContent, left - frame.left, top - frame.top);
    }
  }
  context.fillText(`${caption} · ${NOTE}`, 12, frame.height + 7);
  return paper;
}

/** Offer a canvas as a download. */
export function download(canvas, name) {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
