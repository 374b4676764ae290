// Drawing what a reader marked: lines with a dark border, handles, and the measurement beside them.

const FONT = "600 13px system-ui, sans-serif";
const HANDLE_PX = 4;

function strokeLines(context, colour, add) {
  for (const [strokeStyle, lineWidth] of [["rgb(0 0 0 / 0.65)", 4], [colour, 1.6]]) {
    Object.assign(context, { strokeStyle, lineWidth, lineCap: "round" });
    context.beginPath();
    add();
    context.stroke();
  }
}

function line(context, points) {
  points.forEach(({ x, y }, at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
}

function arrowHead(context, from, to) {
  const direction = Math.atan2(from.y - to.y, from.x - to.x);
  for (const turn of [-0.45, 0.45]) {
    context.moveTo(to.x, to.y);
    context.lineTo(to.x + 14 * Math.cos(direction + turn), to.y + 14 * Math.sin(direction + turn));
  }
}

function shape(context, { kind }, points) {
  if (kind === "rano") {
    line(context, points.slice(0, 2));
    line(context, points.slice(2));
  } else if (kind === "ellipse") {
    const [a, b] = points;
    context.ellipse((a.x + b.x) / 2, (a.y + b.y) / 2, Math.abs(a.x - b.x) / 2, Math.abs(a.y - b.y) / 2, 0, 0, 2 * Math.PI);
  } else {
    line(context, points);
    if (kind === "arrow") arrowHead(context, points[1], points[0]);
  }
}

function label(context, text, points, width) {
  if (!text) return;
  context.font = FONT;
  const right = points.reduce((best, point) => (point.x > best.x ? point : best));
  const length = context.measureText(text).width;
  const x = Math.max(4, Math.min(right.x + 8, width - length - 6));
  Object.assign(context, { strokeStyle: "rgb(0 0 0 / 0.85)", lineWidth: 4, lineJoin: "round", fillStyle: "#fff", textBaseline: "middle" });
  context.strokeText(text, x, right.y + 14);
  context.fillText(text, x, right.y + 14);
}

/** Draw `marks`: items with `label`, `colour`, and `selected`. `toPixels(point)` places points. */
export function drawMarks(context, marks, toPixels, width) {
  for (const mark of marks) {
    const points = mark.points.map(toPixels);
    strokeLines(context, mark.colour, () => shape(context, mark, points));
    if (mark.editable) {
      for (const { x, y } of points) {
        context.beginPath();
        context.arc(x, y, mark.selected ? HANDLE_PX + 1 : HANDLE_PX - 1, 0, 2 * Math.PI);
        Object.assign(context, { fillStyle: mark.selected ? "#fff" : mark.colour, strokeStyle: "#000", lineWidth: 1 });
        context.fill();
        context.stroke();
      }
    }
    label(context, mark.label, points, width);
  }
}
