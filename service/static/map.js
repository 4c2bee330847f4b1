// The map page: every picture at its place, coloured by city or topic.

import { pictureMap } from "./api.js";
import { byId, debounced, el, shortNumber } from "./dom.js";
import { Card } from "./map-card.js";
import { idOf, numberOf, unpack } from "./map-data.js";
import { Drawing } from "./map-drawing.js";
import { setUpLegend, showLegend } from "./map-legend.js";
import { setUpMoving, setUpZoomButtons } from "./map-moving.js";
import { View } from "./map-view.js";
import { askForToken, setUpToken } from "./token.js";

const canvas = byId("map");

/** Loads the map and shows it, or says why there is none. */
async function load() {
  byId("notice").replaceChildren();
  byId("main").setAttribute("aria-busy", "true");
  say("Loading the map…");
  let answer;
  try {
    answer = await pictureMap();
  } catch (error) {
    return fail(error);
  } finally {
    byId("main").removeAttribute("aria-busy");
  }
  const data = unpack(answer);
  if (!data.count) return notice("No picture is left on the map", ["None of its pictures is indexed any more. ", command("topicidx map"), " makes it anew."]);
  show(data);
}

function fail(error) {
  say("");
  if (error.status === 401) return askForToken();
  if (error.status === 404) {
    return notice("There is no map yet", ["It is made once, and kept until pictures are added: run ", command("topicidx map"), " and look again. Of some thousand pictures it takes a minute."]);
  }
  return notice(error.status === 409 ? "The map cannot be shown" : "Something went wrong", [error.message], true);
}

function notice(title, text, wrong = false) {
  say("");
  byId("notice").replaceChildren(el("div", { class: `notice${wrong ? " wrong" : ""}`, role: "alert" },
    el("h2", {}, title), el("p", { class: "message" }, ...text),
    el("div", { class: "acts" },
      el("button", { type: "button", class: "button strong", onclick: load }, "Look again"),
      el("a", { class: "button", href: "./" }, "To the gallery"))));
}

function show(data) {
  const view = new View(data.frame, data.spacing);
  const drawing = new Drawing(canvas, data, view);
  const card = new Card(byId("card"), data, { address: (id) => `./?picture=${id}`, palette: () => drawing.palette });
  const state = { by: data.names.city.length ? "city" : "topic", highlighted: null };
  const keep = debounced(250, () => history.replaceState(null, "", addressOf(data, view, drawing)));

  const redraw = () => {
    drawing.later();
    keep();
  };
  const choose = (number) => {
    drawing.chosen = number;
    card.show(number);
    redraw();
  };
  const change = (changes) => {
    Object.assign(state, changes);
    Object.assign(drawing, state);
    showLegend(data, state, drawing.palette, change);
    saySo();
    redraw();
  };
  const saySo = () => {
    const { by, highlighted } = state;
    const part = typeof highlighted === "number" ? data.names[by][highlighted] : null;
    const pictures = (count) => `${shortNumber(count)} ${count === 1 ? "picture" : "pictures"}`;
    const what = part ? `${part.name}: ${pictures(part.count)}` : pictures(data.count);
    const stale = data.missing ? [`. ${shortNumber(data.missing)} more ${data.missing === 1 ? "is" : "are"} indexed and not on it: run `, command("topicidx map")] : [];
    byId("status").replaceChildren(what, ...stale);
    canvas.setAttribute("aria-label", `Map of ${pictures(data.count)}, similar ones near each other`);
  };
  const does = {
    pan: (right, down) => (view.pan(right, down), redraw()),
    zoom: (factor, left, top) => {
      if (left === undefined && drawing.chosen >= 0) [left, top] = view.point(...placeOf(data, drawing.chosen));
      view.zoomAt(factor, left, top);
      redraw();
    },
    fit: () => (view.fit(), redraw()),
    point: (left, top) => {
      const number = drawing.at(left, top);
      canvas.classList.toggle("pointing", number >= 0);
      // What is not pointed at any more stays to be seen, until something else is: one may go there and click.
      if (number >= 0 && number !== drawing.chosen) choose(number);
    },
    leave: () => canvas.classList.remove("pointing"),
    choose: (left, top, touched) => {
      const number = drawing.at(left, top, touched ? 22 : 12);
      if (touched && number !== drawing.chosen) return choose(number);
      if (number >= 0) open(number);
      else choose(-1);
    },
    step: (right, down) => {
      const from = drawing.chosen;
      const at = from < 0 ? [view.width / 2, view.height / 2] : view.point(...placeOf(data, from));
      const number = drawing.next(...at, from < 0 ? 0 : right, from < 0 ? 0 : down, from);
      if (number < 0) return;
      view.bring(...placeOf(data, number));
      choose(number);
      uncover(view, ...placeOf(data, number));
    },
    open: () => drawing.chosen >= 0 && open(drawing.chosen),
    drop: () => (state.highlighted === null || drawing.chosen >= 0 ? choose(-1) : change({ highlighted: null })),
  };
  const open = (number) => {
    history.replaceState(null, "", addressOf(data, view, drawing));
    location.href = `./?picture=${idOf(data, number)}`;
  };

  for (const part of [canvas, byId("zoom"), byId("side")]) part.hidden = false;
  if (matchMedia("(max-width: 44rem)").matches) byId("legend-box").open = false;
  view.resize(byId("stage").clientWidth, byId("stage").clientHeight);
  view.fit();
  restore(data, view, drawing, state);
  new ResizeObserver(() => {
    view.resize(byId("stage").clientWidth, byId("stage").clientHeight);
    drawing.draw();
  }).observe(byId("stage"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawing.recolour();
    showLegend(data, state, drawing.palette, change);
  });
  setUpMoving(canvas, does);
  setUpZoomButtons({ closer: byId("zoom-in"), farther: byId("zoom-out"), whole: byId("zoom-fit") }, does);
  setUpLegend(data, change);
  change({});
  if (drawing.chosen >= 0) card.show(drawing.chosen);
}

/** What is seen, as the address says it, so that it can be shared and gone back to. */
function addressOf(data, view, drawing) {
  const values = new URLSearchParams({ by: drawing.by });
  if (Math.abs(view.zoom - 1) > 1e-3) {
    for (const [name, value, digits] of [["x", view.x, 5], ["y", view.y, 5], ["z", view.zoom, 3]]) values.set(name, value.toFixed(digits));
  }
  if (drawing.highlighted !== null) values.set("only", drawing.highlighted === "others" ? "" : data.names[drawing.by][drawing.highlighted].name);
  if (drawing.chosen >= 0) values.set("picture", idOf(data, drawing.chosen));
  return `?${values}`;
}

function restore(data, view, drawing, state) {
  const values = new URLSearchParams(location.search);
  const by = values.get("by");
  if (data.names[by]?.length) state.by = by;
  const only = values.get("only");
  const group = data.names[state.by].findIndex(({ name }) => name === only);
  if (only !== null) state.highlighted = only === "" ? "others" : group < 0 ? null : group;
  if (values.has("z")) view.set(Number(values.get("x")), Number(values.get("y")), Number(values.get("z")));
  drawing.chosen = numberOf(data, values.get("picture"));
  if (drawing.chosen >= 0) view.bring(...placeOf(data, drawing.chosen));
}

/** Moves the map so that the card does not cover a place. */
function uncover(view, x, y) {
  const [stage, card] = [byId("stage"), byId("card")].map((part) => part.getBoundingClientRect());
  const [left, top] = view.point(x, y);
  const [beside, above] = [card.right - stage.left + 60 - left, top - (card.top - stage.top - 60)];
  if (beside <= 0 || above <= 0) return;
  if (beside < above && beside < view.width / 2) view.pan(beside, 0);
  else view.pan(0, -above);
}

function placeOf({ places }, number) {
  return [places[2 * number], places[2 * number + 1]];
}

function command(text) {
  return el("code", {}, text);
}

function say(text) {
  byId("status").textContent = text;
}

setUpToken(load);
load();
