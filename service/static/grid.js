// Results as a justified grid: rows of one height each, as wide as the page, moved in with the arrow keys.

import { thumbnailOf } from "./api.js";
import { cityName, el, nameOf } from "./dom.js";

const GAP = 8;
const UNKNOWN_SHAPE = 4 / 3;

/** Widths and heights of pictures in rows of about `height`: [{width, height, row}] for shapes (width by height). */
export function justified(shapes, total, height, gap = GAP) {
  const places = [];
  let row = [];
  let sum = 0;
  let number = 0;
  const close = (rowHeight) => {
    for (const shape of row) places.push({ width: Math.floor(shape * rowHeight * 100) / 100, height: rowHeight, row: number });
    row = [];
    sum = 0;
    number++;
  };
  for (const shape of shapes) {
    row.push(shape);
    sum += shape;
    const room = total - gap * (row.length - 1);
    if (sum * height >= room) close(Math.floor((room / sum) * 100) / 100);
  }
  if (row.length) close(Math.min(height, (total - gap * (row.length - 1)) / sum));
  return places;
}

/** The pictures found. `open(picture)`, `like(picture, weight)` and `address(picture)` say what choosing one does. */
export class Grid {
  constructor(list, { open, like, address, score }) {
    Object.assign(this, { list, open, like, address, score, pictures: [], places: [], current: 0 });
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("keydown", (event) => this.#pressed(event));
    list.addEventListener("focusin", (event) => this.#focused(event));
    list.addEventListener("load", ({ target }) => this.#loaded(target), true);
    list.addEventListener("error", ({ target }) => target.closest(".tile")?.classList.add("missing"), true);
    new ResizeObserver(() => this.arrange()).observe(list);
  }

  /** Shows pictures in place of those before; with `from`, keeps as many of those that are there. */
  show(pictures, from = 0) {
    this.pictures = pictures;
    if (!from) this.current = 0;
    const tiles = pictures.slice(from).map((picture, index) => this.#tile(picture, from + index));
    this.list.replaceChildren(...[...this.list.children].slice(0, from), ...tiles);
    this.arrange();
    tiles.forEach((tile, index) => this.#load(tile, pictures[from + index]));
  }

  /** Places for pictures that are waited for. */
  wait(count) {
    this.pictures = [];
    const shapes = [1.5, 1, 1.3, 0.75, 1.5, 1.2];
    const places = justified(Array.from({ length: count }, (_, index) => shapes[index % 6]), this.#width(), this.#height());
    this.list.replaceChildren(...places.map((place) => sized(el("li", { class: "tile waiting", "aria-hidden": "true" }), place)));
  }

  /** The element of a picture, to focus. */
  tileOf(id) {
    return this.list.children[this.pictures.findIndex((picture) => picture.id === id)]?.querySelector(".open");
  }

  focus(index) {
    const tile = this.list.children[Math.max(0, Math.min(index, this.pictures.length - 1))];
    tile?.querySelector(".open").focus();
    tile?.scrollIntoView({ block: "nearest" });
  }

  arrange() {
    if (!this.pictures.length) return;
    this.places = justified(this.pictures.map(shapeOf), this.#width(), this.#height());
    this.places.forEach((place, index) => sized(this.list.children[index], place));
  }

  #width() {
    return this.list.clientWidth;
  }

  #height() {
    return this.#width() < 600 ? 175 : 230;
  }

  #tile(picture, index) {
    const caption = picture.captions?.[0] ?? nameOf(picture);
    const tabindex = index === this.current ? 0 : -1;
    return el(
      "li", { class: "tile" },
      el(
        "a", { class: "open", href: this.address(picture), tabindex, draggable: "false" },
        el("img", { alt: caption, loading: "lazy", decoding: "async", draggable: "false" }),
        el("span", { class: "badge" }, el("b", {}, this.score(picture)), el("span", {}, cityName(picture))),
      ),
      el(
        "span", { class: "like" },
        el("button", { type: "button", tabindex, "data-weight": 1, title: "More like this (m)", "aria-label": "More like this" }, "+"),
        el("button", { type: "button", tabindex, "data-weight": -1, title: "Less like this (l)", "aria-label": "Less like this" }, "−"),
      ),
    );
  }

  #load(tile, picture) {
    const { width, height } = this.places[this.pictures.indexOf(picture)];
    tile.querySelector("img").src = thumbnailOf(picture.id, Math.max(width, height) * Math.min(devicePixelRatio, 2));
  }

  #loaded(image) {
    const picture = this.pictures[this.#indexOf(image)];
    image.classList.add("there");
    if (!picture || (picture.width && picture.height) || !image.naturalWidth) return;
    Object.assign(picture, { width: image.naturalWidth, height: image.naturalHeight });
    this.arrange();
  }

  #indexOf(element) {
    return [...this.list.children].indexOf(element.closest(".tile"));
  }

  #clicked(event) {
    const picture = this.pictures[this.#indexOf(event.target)];
    const button = event.target.closest("button");
    if (!picture || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (button) this.like(picture, Number(button.dataset.weight));
    else if (event.target.closest("a")) this.open(picture);
    else return;
    event.preventDefault();
  }

  #focused(event) {
    const index = this.#indexOf(event.target);
    if (index < 0 || index === this.current) return;
    this.#reachable(this.current, -1);
    this.current = index;
    this.#reachable(index, 0);
  }

  #reachable(index, value) {
    this.list.children[index]?.querySelectorAll("a, button").forEach((element) => (element.tabIndex = value));
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.pictures.length - 1 }[event.key];
    if (to !== undefined) this.focus(to);
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") this.#focusRow(at, event.key === "ArrowUp" ? -1 : 1);
    else if (event.key === "m" || event.key === "l") this.like(this.pictures[at], event.key === "m" ? 1 : -1);
    else return;
    event.preventDefault();
  }

  #focusRow(at, step) {
    const row = this.places[at].row + step;
    const middle = (index) => this.list.children[index].offsetLeft + this.places[index].width / 2;
    const others = this.places.flatMap((place, index) => (place.row === row ? [index] : []));
    if (others.length) this.focus(others.reduce((best, index) => Math.abs(middle(index) - middle(at)) < Math.abs(middle(best) - middle(at)) ? index : best));
  }
}

function shapeOf({ width, height }) {
  return width && height ? Math.min(2.6, Math.max(0.55, width / height)) : UNKNOWN_SHAPE;
}

function sized(element, { width, height }) {
  element.style.width = `${width}px`;
  element.style.height = `${height}px`;
  return element;
}
