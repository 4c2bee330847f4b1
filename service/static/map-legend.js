// The legend: what the colours mean, and buttons that show where a city's or a topic's pictures are.

import { byId, el, shortNumber } from "./dom.js";
import { COLOURED, OTHERS } from "./map-palette.js";

const MOST = 300;

/** Sets the choice of colours up. `change({by})` or `change({highlighted})` is called with what was chosen. */
export function setUpLegend({ names }, change) {
  for (const by of ["city", "topic"]) {
    const input = byId(`by-${by}`);
    input.disabled = !names[by].length;
    input.addEventListener("change", () => input.checked && change({ by, highlighted: null }));
  }
  byId("more").addEventListener("click", () => {
    const whole = byId("groups").dataset.whole !== "true";
    byId("groups").dataset.whole = whole;
    change({});
  });
}

/** Shows the groups that pictures are coloured by; those without a colour of their own only where they are asked for. */
export function showLegend({ names, count }, { by, highlighted }, palette, change) {
  const place = byId("groups");
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.group : null;
  const groups = names[by];
  const whole = place.dataset.whole === "true";
  const shown = groups.slice(0, whole ? MOST : COLOURED).map(({ name, count: pictures }, group) =>
    entry(group < COLOURED ? group : OTHERS, name, pictures, String(group), highlighted === group, () => change({ highlighted: highlighted === group ? null : group })));
  const rest = count - groups.slice(0, COLOURED).reduce((sum, group) => sum + group.count, 0);
  const called = groups.length > COLOURED ? "all others" : by === "city" ? "no city" : "no topic";
  const others = rest > 0 && entry(OTHERS, called, rest, "others", highlighted === "others", () => change({ highlighted: highlighted === "others" ? null : "others" }));
  if (others) shown.splice(Math.min(groups.length, COLOURED), 0, others);
  place.replaceChildren(...shown);
  byId(`by-${by}`).checked = true;
  byId("more").hidden = groups.length <= COLOURED;
  const all = groups.length > MOST ? `the first ${MOST}` : `all ${groups.length}`;
  byId("more").textContent = whole ? "only those with a colour" : `show ${all} ${by === "city" ? "cities" : "topics"}`;
  if (focused !== null) place.querySelector(`[data-group="${focused}"]`)?.focus({ preventScroll: true });

  function entry(mark, name, pictures, key, pressed, act) {
    return el("li", {}, el("button", { type: "button", "data-group": key, "aria-pressed": String(pressed), title: name, onclick: act },
      palette.show(el("canvas", { "aria-hidden": "true" }), mark), el("span", { class: "name" }, name), el("span", { class: "note" }, shortNumber(pictures))));
  }
}
