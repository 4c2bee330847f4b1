// Elements without HTML in strings: what comes from captions, names and addresses is only ever text.

/** An element with properties (`class`, `data-*`, `aria-*`, `on*` and any other attribute) and children. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** A function that waits until it has not been called for a while. */
export function debounced(milliseconds, call) {
  let timer = 0;
  const later = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds, ...values);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Three digits of a number at most: 14.2, 0.31, 1,204. */
export function shortNumber(value) {
  return value.toLocaleString("en", Math.abs(value) < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });
}

/** A share as per cent. */
export function percent(share) {
  return share > 0 && share < 0.001 ? "< 0.1 %" : `${shortNumber(Math.round(share * 1000) / 10)} %`;
}

/** What a picture is called where it has no words: the name of its file. */
export function nameOf(picture) {
  return picture.image.slice(picture.image.lastIndexOf("/") + 1);
}

/** A city as people write it. */
export function cityName(picture) {
  return picture.payload?.city_label ?? picture.city_label ?? capitals(picture.city ?? "");
}

export function capitals(text) {
  return text.replace(/(^|[\s-])\p{L}/gu, (start) => start.toUpperCase());
}
