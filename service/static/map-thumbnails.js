// Small pictures, fetched a few at a time, those last drawn kept.

import { thumbnailOf } from "./api.js";

const AT_ONCE = 6;
const KEPT = 600;

export class Thumbnails {
  constructor(arrived) {
    Object.assign(this, { arrived, images: new Map(), loading: 0, wanted: [] });
  }

  /** The picture with at least so many pixels, if it is there; null while it is not, false where there is none. */
  get(id, pixels) {
    const image = this.images.get(keyOf(id, pixels)) ?? null;
    if (image) this.images.delete(keyOf(id, pixels)), this.images.set(keyOf(id, pixels), image);
    return image;
  }

  /** Fetches these, the first first, in place of all that was waited for before. */
  want(ids, pixels) {
    this.wanted = ids.map((id) => [id, pixels]);
    this.#next();
  }

  #next() {
    while (this.loading < AT_ONCE && this.wanted.length) {
      const [id, pixels] = this.wanted.shift();
      if (!this.images.has(keyOf(id, pixels))) this.#load(id, pixels);
    }
  }

  async #load(id, pixels) {
    const image = new Image();
    this.loading++;
    this.images.set(keyOf(id, pixels), null);
    image.src = thumbnailOf(id, pixels);
    const there = await image.decode().then(() => true, () => false);
    this.loading--;
    this.images.set(keyOf(id, pixels), there && image);
    while (this.images.size > KEPT) this.images.delete(this.images.keys().next().value);
    this.arrived();
    this.#next();
  }
}

function keyOf(id, pixels) {
  return `${id}/${pixels > 176 ? 320 : 160}`;
}
