// Colours and shapes of groups, and the marks that pictures are drawn as: no two groups share both.

export const COLOURED = 10;
export const OTHERS = COLOURED;
/** Groups beside those that are coloured: what is not highlighted, and what is highlighted without having a colour. */
export const FAINT = COLOURED + 1;
export const CHOSEN = COLOURED + 2;
const SHAPES = ["disc", "square", "triangle", "diamond", "cross"];

/** The page's colours as they are now, in the light or in the dark. */
export class Palette {
  constructor() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    this.colours = [...Array.from({ length: COLOURED }, (_, number) => read(`--group-${number}`)), read("--group-others"), read("--faint"), read("--accent")];
    this.ground = read("--ground");
    this.ink = read("--ink");
    this.numbers = this.colours.map(numberOf);
    this.marks = new Map();
  }

  /** A mark of a group, a canvas `2 * radius + 2` wide in pixels of the screen. */
  mark(group, radius) {
    const key = group * 1000 + radius;
    if (!this.marks.has(key)) this.marks.set(key, this.#draw(group, radius));
    return this.marks.get(key);
  }

  /** Draws a group's mark into a small canvas of the page. */
  show(canvas, group) {
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(18 * ratio);
    const mark = this.#draw(group, Math.round(7 * ratio));
    canvas.getContext("2d").drawImage(mark, (canvas.width - mark.width) / 2, (canvas.height - mark.height) / 2);
    return canvas;
  }

  #draw(group, radius) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 2 * radius + 2;
    const pen = canvas.getContext("2d");
    pen.translate(radius + 1, radius + 1);
    outline(pen, group < COLOURED ? SHAPES[group % SHAPES.length] : "disc", radius);
    pen.fillStyle = this.colours[group];
    if (radius > 2) pen.lineWidth = Math.max(1, radius / 5), pen.strokeStyle = this.ground, pen.stroke();
    pen.fill();
    return canvas;
  }
}

function outline(pen, shape, radius) {
  pen.beginPath();
  if (shape === "disc") pen.arc(0, 0, radius * 0.92, 0, 2 * Math.PI);
  else if (shape === "square") pen.rect(-radius * 0.82, -radius * 0.82, radius * 1.64, radius * 1.64);
  else if (shape === "triangle") pen.moveTo(0, -radius), pen.lineTo(radius, radius * 0.85), pen.lineTo(-radius, radius * 0.85);
  else if (shape === "diamond") pen.moveTo(0, -radius), pen.lineTo(radius, 0), pen.lineTo(0, radius), pen.lineTo(-radius, 0);
  else cross(pen, radius, radius * 0.36);
  pen.closePath();
}

function cross(pen, long, half) {
  const corners = [[-half, -long], [half, -long], [half, -half], [long, -half], [long, half], [half, half]];
  for (const [x, y] of [...corners, ...corners.map(([x, y]) => [-x, -y])]) pen.lineTo(x, y);
}

/** A colour as the four bytes of a pixel. */
function numberOf(colour) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return new Uint32Array(pen.getImageData(0, 0, 1, 1).data.buffer)[0];
}
