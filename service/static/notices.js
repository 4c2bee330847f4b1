// What to say where there is nothing to see: nothing found, words that no caption uses, and errors.

import { capitals, el } from "./dom.js";
import { isTerm } from "./query.js";

/** Tells which words no caption uses, with those nearest to them to choose from. */
export function showUnknown(place, unknown, replace) {
  place.replaceChildren(...unknown.map(({ word, nearest, used }) =>
    el("div", { class: "notice" },
      el("p", {}, `No caption uses “${word}”`, used ? `; searched for ${used} instead.` : "; searched without it.",
        nearest?.length ? " Did you mean " : "", choices(nearest ?? [], (other) => replace(word, other)), nearest?.length ? "?" : ""))));
}

/** Tells that nothing is left, and what could be taken away. */
export function showEmpty(place, parts, { above }, { change, rank }) {
  const filters = parts.filter((part) => !isTerm(part));
  const without = (kept) => () => change(parts.filter((part) => part !== kept));
  place.append(el("div", { class: "notice empty" },
    el("h2", {}, "No picture is left"),
    el("p", {}, filters.length || above ? "Nothing fits all that was asked. Try it without one of these:" : "There are no pictures in this index yet. topicidx ingest fills it."),
    el("div", { class: "acts" },
      filters.map((part) => el("button", { type: "button", class: "button", onclick: without(part) }, nameOf(part))),
      above && el("button", { type: "button", class: "button", onclick: () => rank({ above: false }) }, "only above average"))));
}

/** Tells what went wrong, with a way to try again where that may help. */
export function showError(place, error, again = null) {
  const asked = error.status >= 400 && error.status < 500;
  place.replaceChildren(el("div", { class: "notice wrong", role: "alert" },
    el("h2", {}, asked ? "That cannot be searched for" : "Something went wrong"),
    el("p", { class: error.message.includes("\n") ? "message code" : "message" }, error.message),
    !asked && again && el("div", { class: "acts" }, el("button", { type: "button", class: "button", onclick: again }, "Try again"))));
}

function choices(words, choose) {
  return words.flatMap((word, index) => [
    index ? (index === words.length - 1 ? " or " : ", ") : "",
    el("button", { type: "button", class: "choice", onclick: () => choose(word) }, word),
  ]);
}

function nameOf({ kind, text, excluded }) {
  return { city: `${excluded ? "not " : ""}in ${capitals(text)}`, after: `taken from ${text}`, before: `taken before ${text}` }[kind];
}
