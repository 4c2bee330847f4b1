// A chip for each part of the query: click or press keys to turn, weigh or remove it.

import { thumbnailOf } from "./api.js";
import { capitals, el } from "./dom.js";
import { isId, isTerm } from "./query.js";

const CYCLE = [1, 2, 3, 0.5];
const STEPS = [0.25, 0.5, 1, 2, 3, 5, 10];

/** Shows parts as chips in a list. `change(parts)` is called with what the query shall be; focus stays where it was. */
export function showChips(list, parts, unknown, change) {
  const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
  const had = list.contains(document.activeElement);
  list.replaceChildren(...parts.map((part, index) => chip(part, unknown, (action) => change(changed(parts, index, action)))));
  if (had) refocus(list, focused);
}

/** Lets the keys of a list of chips work: − turns, ↑ ↓ weigh, Delete removes, ← → go to the next. */
export function setUpChipKeys(list) {
  const actions = { "-": "turn", "−": "turn", ArrowUp: "heavier", ArrowDown: "lighter", Delete: "remove", Backspace: "remove" };
  list.addEventListener("keydown", (event) => {
    const button = event.target.closest("button");
    if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const buttons = [...list.querySelectorAll("button")];
      buttons[buttons.indexOf(button) + step]?.focus();
      event.preventDefault();
    } else if (actions[event.key]) {
      event.preventDefault();
      button.closest("li").dispatchEvent(new CustomEvent("act", { detail: actions[event.key] }));
    }
  });
}

/** What a part is called. */
export function labelOf(part) {
  return { like: "this picture", city: `in ${capitals(part.text)}`, after: `from ${part.text}`, before: `before ${part.text}` }[part.kind] ?? part.text;
}

function chip(part, unknown, act) {
  const name = labelOf(part);
  const less = part.weight < 0 || part.excluded;
  const turns = isTerm(part) || part.kind === "city";
  const state = less ? (isTerm(part) ? "less of it" : "left out") : isTerm(part) ? "more of it" : "only there";
  const label = [el("span", { class: "sign", "aria-hidden": "true" }, less ? "−" : isTerm(part) ? "+" : ""), shown(part, name)];
  return el(
    "li", {
      class: `chip ${part.kind}${less ? " less" : ""}${unknown.has(part.text) ? " unknown" : ""}`,
      onact: (event) => act(event.detail),
    },
    turns
      ? el("button", {
          type: "button", class: "turn", "aria-label": `${name}: ${state}`, onclick: () => act("turn"),
          title: less ? "Click to ask for it again" : isTerm(part) ? "Click for less of it" : "Click to leave it out",
        }, label)
      : el("span", { class: "turn" }, label),
    isTerm(part) && el("button", {
      type: "button", class: "weight", "aria-label": `Weight of ${name}: ${Math.abs(part.weight)}`, title: "Click to change its weight",
      onclick: () => act("weigh"),
    }, `×${Math.abs(part.weight)}`),
    el("button", { type: "button", class: "remove", "aria-label": `Remove ${name}`, title: "Remove", onclick: () => act("remove") }, "✕"),
  );
}

function shown(part, name) {
  if (part.kind !== "like") return el("span", { class: "text" }, name);
  if (!isId(part.text)) return el("span", { class: "text" }, `like ${part.text}`);
  return el("span", { class: "text" }, "like ", el("img", { src: thumbnailOf(part.text, 160), alt: "", width: 28, height: 28 }));
}

function changed(parts, index, action) {
  const part = parts[index];
  const replaced = (other) => parts.map((kept, at) => (at === index ? other : kept));
  if (action === "remove") return parts.filter((_, at) => at !== index);
  if (action === "turn" && isTerm(part)) return replaced({ ...part, weight: -part.weight });
  if (action === "turn" && part.kind === "city") return replaced({ ...part, excluded: !part.excluded });
  if (!isTerm(part) || action === "turn") return parts;
  const size = Math.abs(part.weight);
  const next = {
    weigh: () => CYCLE[(CYCLE.indexOf(size) + 1) % CYCLE.length],
    heavier: () => STEPS.find((step) => step > size) ?? size,
    lighter: () => STEPS.findLast((step) => step < size) ?? size,
  }[action]();
  return replaced({ ...part, weight: Math.sign(part.weight) * next });
}

function refocus(list, index) {
  const buttons = list.querySelectorAll("button");
  const next = buttons[Math.min(Math.max(index, 0), buttons.length - 1)] ?? document.getElementById("words");
  next.focus();
}
