// What of the map is seen: the place in the middle of the screen, and how many pixels the map's unit is.

const MARGIN = 36;

export class View {
  constructor(frame, spacing) {
    Object.assign(this, { frame, spacing, width: 1, height: 1, x: 0.5, y: 0.5, scale: 1, fitted: 1 });
  }

  /** The size of the screen, in CSS pixels; what is in the middle stays there, and as large. */
  resize(width, height) {
    const zoom = this.zoom;
    Object.assign(this, { width, height });
    const { left, top, right, bottom } = this.frame;
    const room = (side) => Math.max(60, side - 2 * MARGIN);
    this.fitted = Math.min(room(width) / Math.max(right - left, 1e-3), room(height) / Math.max(bottom - top, 1e-3), 4000);
    this.scale = this.fitted * zoom;
  }

  /** How many times larger than the whole map. */
  get zoom() {
    return this.scale / this.fitted;
  }

  get nearest() {
    return Math.max(4, 1200 / (this.spacing * this.fitted));
  }

  fit() {
    const { left, top, right, bottom } = this.frame;
    this.set((left + right) / 2, (top + bottom) / 2, 1);
  }

  set(x, y, zoom) {
    this.scale = this.fitted * Math.max(0.6, Math.min(this.nearest, zoom || 1));
    this.#centre(x, y);
  }

  /** Moves the map by pixels. */
  pan(right, down) {
    this.#centre(this.x - right / this.scale, this.y - down / this.scale);
  }

  /** Makes it `factor` times larger around a point of the screen. */
  zoomAt(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.place(left, top);
    this.set(this.x, this.y, this.zoom * factor);
    this.#centre(x - (left - this.width / 2) / this.scale, y - (top - this.height / 2) / this.scale);
  }

  /** Moves the map as far as it takes for a place to be well within the screen. */
  bring(x, y, margin = 90) {
    const [left, top] = this.point(x, y);
    const beyond = (at, side, room) => (side < 2 * room ? at - side / 2 : Math.min(0, at - room) + Math.max(0, at - side + room));
    this.pan(-beyond(left, this.width, margin), -beyond(top, this.height, margin));
  }

  /** Where a place of the map is on the screen. */
  point(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2];
  }

  /** Which place of the map is at a point of the screen. */
  place(left, top) {
    return [(left - this.width / 2) / this.scale + this.x, (top - this.height / 2) / this.scale + this.y];
  }

  #centre(x, y) {
    const { left, top, right, bottom } = this.frame;
    this.x = Math.max(left, Math.min(right, Number.isFinite(x) ? x : 0.5));
    this.y = Math.max(top, Math.min(bottom, Number.isFinite(y) ? y : 0.5));
  }
}
