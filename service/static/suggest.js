// The search box: suggestions while typing, as an ARIA combobox with a list.

import { suggest } from "./api.js";
import { debounced, el, shortNumber } from "./dom.js";
import { beingTyped, formatPart } from "./query.js";

const WAIT = 90;
const LIMIT = 8;

/** Makes an input and its list a combobox. `cities()` gives the facets; `submit()` is called where a suggestion is taken. */
export function setUpSuggestions(input, list, { cities, submit }) {
  const known = new Map();
  let offered = [];
  let active = -1;
  let request = null;

  function close() {
    wanted.cancel();
    request?.abort();
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function show(entries, typed) {
    offered = entries;
    active = -1;
    input.removeAttribute("aria-activedescendant");
    if (!entries.length) return close();
    list.replaceChildren(...entries.map((entry, index) => option(entry, index, typed)));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  const wanted = debounced(WAIT, async () => {
    const typed = beingTyped(input.value);
    request?.abort();
    if (!typed || input.selectionEnd !== input.value.length) return close();
    if (typed.field === "city") return show(citiesLike(cities(), typed.prefix), typed);
    const prefix = typed.prefix.toLowerCase();
    if (!known.has(prefix)) {
      request = new AbortController();
      try {
        const { words } = await suggest(prefix, LIMIT, request.signal);
        known.set(prefix, words.map(({ word, documents }) => ({ text: word, note: shortNumber(documents) })));
      } catch {
        return close();
      }
    }
    if (document.activeElement === input && beingTyped(input.value)?.prefix.toLowerCase() === prefix) {
      show(known.get(prefix).filter((entry) => entry.text !== prefix || known.get(prefix).length > 1), typed);
    }
  });

  function take(index) {
    const typed = beingTyped(input.value);
    if (!typed) return;
    const { text } = offered[index];
    const value = typed.field ? formatPart({ kind: "city", text }).slice("city:".length) : text;
    input.value = input.value.slice(0, typed.start) + value;
    close();
  }

  function point(index) {
    active = (index + offered.length + 1) % (offered.length + 1);
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === active)));
    if (active < offered.length) {
      input.setAttribute("aria-activedescendant", `suggestion-${active}`);
      list.children[active].scrollIntoView({ block: "nearest" });
    } else {
      active = -1;
      input.removeAttribute("aria-activedescendant");
    }
  }

  input.addEventListener("input", wanted);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) return event.key === "ArrowDown" && input.value ? (event.preventDefault(), wanted()) : undefined;
      event.preventDefault();
      point(event.key === "ArrowDown" ? active + 1 : active < 0 ? offered.length - 1 : active === 0 ? offered.length : active - 1);
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      take(active);
      submit();
    } else if (event.key === "Tab" && active >= 0) {
      event.preventDefault();
      take(active);
    } else if (event.key === "Escape") {
      if (!list.hidden) event.stopPropagation();
      else input.value = "";
      close();
    }
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (!item) return;
    take([...list.children].indexOf(item));
    submit();
  });
  return { close };
}

function option({ text, note }, index, { prefix, sign }) {
  const start = text.toLowerCase().startsWith(prefix.toLowerCase()) ? prefix.length : 0;
  return el(
    "li", { role: "option", id: `suggestion-${index}`, "aria-selected": "false" },
    el("span", {}, sign && el("i", {}, "less "), el("b", {}, text.slice(0, start)), text.slice(start)),
    el("span", { class: "note" }, note, el("span", { class: "unseen" }, " pictures")),
  );
}

function citiesLike(cities, prefix) {
  const start = prefix.toLowerCase();
  return cities
    .filter(({ city, label }) => city.startsWith(start) || label?.toLowerCase().startsWith(start))
    .slice(0, LIMIT)
    .map(({ city, count }) => ({ text: city, note: shortNumber(count) }));
}
