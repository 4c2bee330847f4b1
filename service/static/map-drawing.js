// Drawing the map: marks from afar, thumbnails where there is room for them.

import { idOf, NONE, rankOf } from "./map-data.js";
import { CHOSEN, COLOURED, FAINT, OTHERS, Palette } from "./map-palette.js";
import { Thumbnails } from "./map-thumbnails.js";

/** Pixels between pictures from which on they are seen. */
const NEAR = 16;
const SMALLEST = 34;
const LARGEST = 176;
/** More marks than these are drawn as plain squares, pixel by pixel. */
const MANY = 15_000;

export class Drawing {
  constructor(canvas, data, view) {
    Object.assign(this, { canvas, data, view, by: "city", highlighted: null, chosen: -1, shown: [], waiting: false });
    this.pen = canvas.getContext("2d");
    this.palette = new Palette();
    this.thumbnails = new Thumbnails(() => this.later());
  }

  /** Draws soon, once for all that is changed until then. */
  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  /** The colours may be others. */
  recolour() {
    this.palette = new Palette();
    this.later();
  }

  /** Which of the palette's groups a picture is drawn as. */
  groupOf(number) {
    const group = this.data.groups[this.by][number];
    if (this.highlighted !== null && group !== this.highlighted && !(this.highlighted === "others" && group >= COLOURED)) return FAINT;
    if (group < COLOURED) return group;
    return this.highlighted !== null && this.highlighted !== "others" ? CHOSEN : OTHERS;
  }

  get spacing() {
    return this.data.spacing * this.view.scale;
  }

  /** The side of a thumbnail in CSS pixels, 0 where pictures are too near to one another. */
  get side() {
    return this.spacing < NEAR && this.data.count > 1 ? 0 : Math.max(SMALLEST, Math.min(LARGEST, this.spacing * 0.55));
  }

  get radius() {
    return Math.max(1.6, Math.min(7, this.spacing * 0.24));
  }

  draw() {
    const { canvas, pen, view } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    const side = this.side;
    const seen = this.#seen(side);
    this.shown = side ? this.#roomFor(seen, side) : [];
    const pictured = new Set(this.shown);
    const marks = pictured.size ? seen.filter((number) => !pictured.has(number)) : seen;
    if (marks.length > MANY) this.#drawPixels(marks, ratio);
    else this.#drawMarks(marks, ratio);
    const [room, thumbnails] = this.#drawThumbnails(side, ratio);
    if (this.chosen >= 0) this.#drawRing(side, ratio, pictured.has(this.chosen));
    Object.assign(canvas.dataset, { marks: marks.length, room, thumbnails, zoom: view.zoom.toFixed(3) });
  }

  /** The pictures on the screen, or next to it. */
  #seen(side) {
    const { data: { places, count }, view } = this;
    const margin = 2 * side + 10;
    const [left, top] = view.place(-margin, -margin);
    const [right, bottom] = view.place(view.width + margin, view.height + margin);
    const seen = [];
    for (let number = 0; number < count; number++) {
      const x = places[2 * number];
      const y = places[2 * number + 1];
      if (x >= left && x <= right && y >= top && y <= bottom) seen.push(number);
    }
    return seen;
  }

  /** Those that can be shown as thumbnails without one covering another. */
  #roomFor(seen, side) {
    const { data, view } = this;
    const cells = new Map();
    const first = [...seen].sort((one, other) => (other === this.chosen) - (one === this.chosen) || rankOf(data, one) - rankOf(data, other));
    return first.filter((number) => {
      const [left, top] = view.point(data.places[2 * number], data.places[2 * number + 1]);
      const [column, row] = [Math.floor(left / side), Math.floor(top / side)];
      for (let y = row - 1; y <= row + 1; y++) {
        for (let x = column - 1; x <= column + 1; x++) {
          for (const [otherLeft, otherTop] of cells.get(y * 100_003 + x) ?? []) {
            if (Math.abs(left - otherLeft) < side + 3 && Math.abs(top - otherTop) < side + 3) return false;
          }
        }
      }
      const key = row * 100_003 + column;
      cells.set(key, [...(cells.get(key) ?? []), [left, top]]);
      return true;
    });
  }

  #drawMarks(marks, ratio) {
    const { data: { places }, view, pen } = this;
    const radius = Math.max(1, Math.round(this.radius * ratio));
    const drawOne = (number, group) => {
      const [left, top] = view.point(places[2 * number], places[2 * number + 1]);
      pen.drawImage(this.palette.mark(group, radius), Math.round(left * ratio) - radius - 1, Math.round(top * ratio) - radius - 1);
    };
    const above = [];
    for (const number of marks) {
      const group = this.groupOf(number);
      if (group === FAINT || this.highlighted === null) drawOne(number, group);
      else above.push([number, group]);
    }
    for (const one of above) drawOne(...one);
  }

  #drawPixels(marks, ratio) {
    const { data: { places }, view, canvas: { width, height }, palette } = this;
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const side = Math.max(1, Math.round(1.6 * this.radius * ratio));
    const stamp = (number, colour) => {
      const [x, y] = view.point(places[2 * number], places[2 * number + 1]);
      const [left, top] = [Math.round(x * ratio - side / 2), Math.round(y * ratio - side / 2)];
      for (let row = Math.max(0, top); row < Math.min(height, top + side); row++) {
        pixels.fill(colour, row * width + Math.max(0, left), row * width + Math.max(0, Math.min(width, left + side)));
      }
    };
    const above = [];
    for (const number of marks) {
      const group = this.groupOf(number);
      if (group === FAINT || this.highlighted === null) stamp(number, palette.numbers[group]);
      else above.push([number, palette.numbers[group]]);
    }
    for (const one of above) stamp(...one);
    this.pen.putImageData(image, 0, 0);
  }

  /** Gives how many pictures there is room for on the screen, and how many of them are there to be seen. */
  #drawThumbnails(side, ratio) {
    const { data, view, pen } = this;
    const inside = this.shown.map((number) => [number, view.point(data.places[2 * number], data.places[2 * number + 1])])
      .filter(([, [left, top]]) => left > -side && top > -side && left < view.width + side && top < view.height + side);
    const middle = ([, [left, top]]) => Math.hypot(left - view.width / 2, top - view.height / 2);
    const missing = [];
    let drawn = 0;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const one of inside) {
      const [number, [left, top]] = one;
      const id = idOf(data, number);
      const image = this.thumbnails.get(id, side * ratio);
      if (image === null) missing.push([middle(one), id]);
      if (image) drawn++;
      this.#drawThumbnail(image, this.groupOf(number), left - side / 2, top - side / 2, side);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    this.thumbnails.want(missing.sort(([one], [other]) => one - other).map(([, id]) => id), side * ratio);
    return [inside.length, drawn];
  }

  #drawThumbnail(image, group, left, top, side) {
    const { pen, palette } = this;
    const faint = group === FAINT;
    pen.save();
    pen.beginPath();
    pen.roundRect(left, top, side, side, Math.min(8, side / 7));
    pen.fillStyle = palette.colours[group];
    pen.globalAlpha = faint ? 0.5 : 1;
    pen.fill();
    if (image) {
      const edge = side < 60 ? 2 : 3;
      pen.beginPath();
      pen.roundRect(left + edge, top + edge, side - 2 * edge, side - 2 * edge, Math.min(6, side / 9));
      pen.clip();
      const shorter = Math.min(image.naturalWidth, image.naturalHeight);
      pen.globalAlpha = faint ? 0.22 : 1;
      pen.drawImage(image, (image.naturalWidth - shorter) / 2, (image.naturalHeight - shorter) / 2, shorter, shorter, left + edge, top + edge, side - 2 * edge, side - 2 * edge);
    }
    pen.restore();
  }

  #drawRing(side, ratio, pictured) {
    const { pen, data, view, palette } = this;
    const [left, top] = view.point(data.places[2 * this.chosen], data.places[2 * this.chosen + 1]);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const [colour, line] of [[palette.ground, 7], [palette.ink, 3.5]]) {
      pen.beginPath();
      if (pictured) pen.roundRect(left - side / 2 - 2, top - side / 2 - 2, side + 4, side + 4, 10);
      else pen.arc(left, top, this.radius + 5, 0, 2 * Math.PI);
      Object.assign(pen, { strokeStyle: colour, lineWidth: line });
      pen.stroke();
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    this.canvas.dataset.chosen = `${Math.round(left)},${Math.round(top)}`;
  }

  /** The picture at a point of the screen, or -1. */
  at(left, top, reach = 12) {
    const { data: { places, count }, view, side } = this;
    const on = this.shown.find((number) => {
      const [x, y] = view.point(places[2 * number], places[2 * number + 1]);
      return Math.abs(x - left) <= side / 2 && Math.abs(y - top) <= side / 2;
    });
    if (on !== undefined) return on;
    let [nearest, least] = [-1, (this.radius + reach) ** 2];
    for (let number = 0; number < count; number++) {
      const [x, y] = view.point(places[2 * number], places[2 * number + 1]);
      const far = (x - left) ** 2 + (y - top) ** 2;
      if (far < least && !(this.highlighted !== null && this.groupOf(number) === FAINT)) [nearest, least] = [number, far];
    }
    return nearest;
  }

  /** The next picture from a point of the screen in a direction, or -1; (0, 0) is any. */
  next(left, top, right, down, from = -1) {
    const { data: { places, count }, view } = this;
    const apart = Math.max(this.side * 0.8, 14);
    let [best, least] = [-1, Infinity];
    for (let number = 0; number < count; number++) {
      if (number === from || (this.highlighted !== null && this.groupOf(number) === FAINT)) continue;
      const [x, y] = view.point(places[2 * number], places[2 * number + 1]);
      const along = right || down ? (x - left) * right + (y - top) * down : Math.hypot(x - left, y - top);
      const aside = right || down ? Math.abs((x - left) * down + (y - top) * right) : 0;
      const cost = along + 2 * aside;
      if ((right || down) && (along < apart || aside > along)) continue;
      if (cost < least) [best, least] = [number, cost];
    }
    return best;
  }
}

/** Whether a picture has a group of this kind. */
export function hasGroup(data, by, number) {
  return data.groups[by][number] !== NONE;
}
