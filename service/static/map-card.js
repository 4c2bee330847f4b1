// The card of the picture that is pointed at: the picture, its caption, its city and its leading topic.

import { picture as fetchPicture, thumbnailOf } from "./api.js";
import { debounced, el, nameOf } from "./dom.js";
import { idOf, NONE } from "./map-data.js";
import { COLOURED, OTHERS } from "./map-palette.js";

const KEPT = 300;

export class Card {
  constructor(place, data, { address, palette }) {
    Object.assign(this, { place, data, address, palette, number: -1, told: new Map() });
    this.ask = debounced(90, (number) => this.#ask(number));
  }

  /** Shows a picture by its number, or nothing for -1. */
  show(number) {
    if (number === this.number) return;
    this.number = number;
    this.ask.cancel();
    this.place.hidden = number < 0;
    if (number < 0) return this.place.replaceChildren();
    const id = idOf(this.data, number);
    const image = el("img", { class: "map-shown", src: thumbnailOf(id, 320), alt: "", draggable: "false" });
    image.addEventListener("error", () => image.replaceWith(el("p", { class: "map-about quiet" }, "The picture's file is not there any more.")), { once: true });
    this.place.replaceChildren(el("a", { href: this.address(id) }, image, el("span", { class: "map-about" },
      el("span", { class: "map-caption" }, this.told.get(id) ?? "…"),
      this.#fact("city"), this.#fact("topic"))));
    if (!this.told.has(id)) this.ask(number);
  }

  #fact(by) {
    const group = this.data.groups[by][this.number];
    if (group === NONE) return null;
    const mark = this.palette().show(el("canvas", { "aria-hidden": "true" }), group < COLOURED ? group : OTHERS);
    return el("span", { class: "map-facts" }, mark, el("span", {}, this.data.names[by][group].name));
  }

  async #ask(number) {
    const id = idOf(this.data, number);
    const caption = await fetchPicture(id).then((told) => told.captions?.[0] ?? nameOf(told), (error) =>
      error.status === 404 ? "This picture is not in the index any more." : error.message);
    this.told.set(id, caption);
    if (this.told.size > KEPT) this.told.delete(this.told.keys().next().value);
    if (this.number === number) this.place.querySelector(".map-caption").textContent = caption;
  }
}
