// Cities to choose from, dates and the ranking: whatever narrows a search without being a term of it.

import { byId, capitals, el, shortNumber } from "./dom.js";
import { daysLater, dayOf } from "./query.js";

const FEW = 8;

let cities = [];
let all = false;
let shownParts = [];

/** Lets the filters call `change(parts)` with what the query shall be, and `rank({match, above})`. */
export function setUpFilters(change, rank) {
  byId("facets").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    if (button.dataset.city === undefined) {
      all = !all;
      showFilters(shownParts);
      byId("facets").querySelector(".toggle")?.focus();
    } else {
      change(toggled(shownParts, button.dataset.city));
    }
  });
  for (const [id, kind, later] of [["from", "after", 0], ["to", "before", 1]]) {
    byId(id).addEventListener("change", ({ target }) => {
      if (!target.validity.valid) return;
      const day = target.value && daysLater(target.value, later);
      const others = shownParts.filter((part) => part.kind !== kind);
      change(day ? [...others, { kind, text: day, excluded: false }] : others);
    });
  }
  byId("above").addEventListener("change", ({ target }) => rank({ above: target.checked }));
  byId("match").addEventListener("change", ({ target }) => rank({ match: target.value }));
}

/** Takes the cities of the store and their numbers of pictures. */
export function takeFacets(facets) {
  cities = facets.cities;
  byId("cities").hidden = !cities.length;
  showFilters(shownParts);
}

export function knownCities() {
  return cities;
}

/** Shows what a query and its ranking already narrow. */
export function showFilters(parts, { match, above } = {}) {
  shownParts = parts;
  const chosen = new Set(parts.filter((part) => part.kind === "city" && !part.excluded).map((part) => part.text.toLowerCase()));
  const listed = all ? cities : cities.filter(({ city }, index) => index < FEW || chosen.has(city));
  const focused = document.activeElement?.dataset?.city;
  byId("facets").replaceChildren(
    ...listed.map((facet) => cityButton(facet, chosen)),
    ...(cities.length > FEW ? [el("button", { type: "button", class: "toggle" }, all ? "fewer" : `all ${cities.length}`)] : []),
  );
  if (focused !== undefined) byId("facets").querySelector(`[data-city="${CSS.escape(focused)}"]`)?.focus();
  byId("from").value = dayOf(last(parts, "after") ?? "") ?? "";
  const before = dayOf(last(parts, "before") ?? "");
  byId("to").value = (before && daysLater(before, -1)) ?? "";
  if (match !== undefined) byId("match").value = match;
  if (above !== undefined) byId("above").checked = above;
  const count = parts.filter((part) => ["city", "after", "before"].includes(part.kind)).length;
  byId("filter-count").textContent = count ? ` · ${count} set` : "";
}

function cityButton({ city, label, count }, chosen) {
  return el(
    "button", { type: "button", "data-city": city, "aria-pressed": String(chosen.has(city)) },
    label ?? capitals(city), " ", el("span", { class: "note" }, shortNumber(count)),
  );
}

function toggled(parts, city) {
  const kept = parts.filter((part) => part.kind !== "city" || part.text.toLowerCase() !== city);
  const chosen = parts.some((part) => part.kind === "city" && !part.excluded && part.text.toLowerCase() === city);
  return chosen ? kept : [...kept, { kind: "city", text: city, excluded: false }];
}

function last(parts, kind) {
  return parts.findLast((part) => part.kind === kind)?.text;
}
