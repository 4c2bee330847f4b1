// The gallery page: every change goes through the address, and what is shown follows from it.

import { ApiError, facets } from "./api.js";
import { setUpChipKeys, showChips } from "./chips.js";
import { openDetail, setUpDetail } from "./detail.js";
import { byId, percent, shortNumber } from "./dom.js";
import { knownCities, setUpFilters, showFilters, takeFacets } from "./facets.js";
import { Grid } from "./grid.js";
import { showEmpty, showError, showUnknown } from "./notices.js";
import { formatQuery, isTerm, NoQuery, parseQuery, termOf, withPart } from "./query.js";
import { Session } from "./session.js";
import { showTopics } from "./start.js";
import { addressOf, readState, searchKey, START } from "./state.js";
import { setUpSuggestions } from "./suggest.js";
import { askForToken, setUpToken } from "./token.js";
import { drawingOf, keepFile, keptFile, setUpUploads } from "./upload.js";

const PATIENCE = 150;

const words = byId("words");
const status = byId("status");
let state = START;
let session = null;
let searching = null;
let looking = null;
let leaving = false;
let refocus = false;

const grid = new Grid(byId("grid"), {
  open: (picture) => go({ picture: picture.id }),
  like,
  address: (picture) => addressOf({ ...state, picture: picture.id }),
  score: ({ score }) => (session?.kind === "topic" ? percent(score) : shortNumber(score)),
});
const nearEnd = new IntersectionObserver(
  (entries) => entries.at(-1).isIntersecting && session?.asked && fetchPage(), { rootMargin: "500px" },
);
const step = Object.assign(
  (by) => step.possible(by) && go({ picture: neighbour(by).id }, { replace: true }),
  { possible: (by) => Boolean(neighbour(by)) },
);

/** Goes to another state: a new entry in the history, unless it replaces this one. */
function go(changes, { replace = false } = {}) {
  const next = { ...state, ...changes };
  const same = addressOf(next) === addressOf(state);
  keepScroll();
  const entry = { depth: (history.state?.depth ?? 0) + (replace || same ? 0 : 1) };
  history[replace || same ? "replaceState" : "pushState"](entry, "", addressOf(next));
  show(next);
}

/** Shows a state: the search where it is another one, and the picture that is open. */
async function show(next) {
  const before = state;
  state = next;
  const another = !session || searchKey(before) !== searchKey(next);
  const shown = another ? showSearch() : null;
  if (!next.picture) return closeDetail(before.picture);
  // Why a picture is here, and which are beside it, is known once there are results.
  await shown;
  if (state === next) showDetail();
}

function showSearch() {
  const parts = currentParts();
  searching?.abort();
  searching = new AbortController();
  session = Session.of(state);
  refocus = byId("grid").contains(document.activeElement) || byId("detail").open;
  if (parts) words.value = "";
  else words.value = state.q;
  showAsked(parts ?? []);
  byId("notice").replaceChildren();
  byId("further-notice").replaceChildren();
  byId("start").hidden = true;
  byId("further").hidden = true;
  const known = parts === null || parts.some(isTerm) || session.kind !== "search";
  document.title = known && state.q ? `${state.q} · topicidx` : "topicidx";
  byId("heading").textContent = headingOf(parts);
  if (!known) return showStart(parts);
  if (session.asked) return present(0, true);
  return fetchPage();
}

async function fetchPage() {
  const asking = session;
  const { signal } = searching;
  const first = !asking.asked;
  if (first && asking.kind === "upload" && !keptFile(state.upload)) {
    return fail(new ApiError(410, "The picture that was searched by is not here any more. Choose or drop it again."));
  }
  const waiting = setTimeout(() => first && (grid.wait(12), say(asking.kind === "upload" ? "Looking at your picture; the first one takes a while…" : "Searching…")), PATIENCE);
  byId("grid").setAttribute("aria-busy", "true");
  try {
    const before = await asking.next(signal);
    if (asking === session && before !== null) present(before, first);
  } catch (error) {
    if (error.name !== "AbortError" && asking === session) fail(error, first);
  } finally {
    clearTimeout(waiting);
    if (asking === session) byId("grid").removeAttribute("aria-busy");
  }
}

function present(from, first) {
  grid.show(session.pictures, first ? 0 : from);
  byId("further").hidden = !session.more;
  // Observed anew, it tells once more whether it is near, also where the page is too short to have moved it away.
  nearEnd.unobserve(byId("further"));
  nearEnd.observe(byId("further"));
  if (!first) return say(countOf(session));
  if (session.kind === "topic" && session.terms.length) byId("heading").textContent = `Pictures of “${session.terms[0].text}”`;
  const unknown = new Set(session.unknown.map(({ word }) => word));
  showAsked(currentParts() ?? [], unknown);
  if (session.unknown.length) showUnknown(byId("notice"), session.unknown, replaceWord);
  else byId("notice").replaceChildren();
  if (!session.pictures.length) showEmpty(byId("notice"), currentParts() ?? [], state, { change: changeParts, rank: go });
  say(countOf(session));
  // Whoever asked from a picture goes on at the first of those that came in place of it.
  if (refocus && !byId("detail").open && (byId("grid").contains(document.activeElement) || document.activeElement === document.body)) {
    grid.tileOf(session.pictures[0]?.id)?.focus({ preventScroll: true });
  }
  refocus = false;
  scrollTo({ top: session.scroll, behavior: "instant" });
}

function fail(error, first = true) {
  if (error.status === 401) return askForToken();
  if (first) {
    grid.show([]);
    say("");
    byId("heading").textContent = "No pictures";
  }
  const place = byId(first ? "notice" : "further-notice");
  showError(place, error, () => (place.replaceChildren(), fetchPage()));
  byId("further").hidden = true;
}

async function showStart(parts) {
  grid.show([]);
  say(parts?.length ? "Now say what you are looking for, in a word or more." : "");
  byId("start").hidden = false;
  scrollTo({ top: session.scroll, behavior: "instant" });
  try {
    await showTopics(byId("start"), (topic) => go({ ...START, topic }), searching.signal);
  } catch (error) {
    if (error.status === 401) askForToken();
    else if (error.name !== "AbortError" && error.status !== 404) showError(byId("notice"), error, showSearch);
  }
}

async function showDetail() {
  looking?.abort();
  looking = new AbortController();
  const known = session.pictures.find(({ id }) => id === state.picture);
  try {
    await openDetail(byId("detail"), state.picture, known, {
      close, like, step,
      topic: (topic) => go({ ...START, topic }),
      why: (signal) => session.why(state.picture, signal),
      lifts: state.match !== "mean",
    }, looking.signal);
  } catch (error) {
    if (error.status === 401) askForToken();
    else if (error.name !== "AbortError") throw error;
  }
}

function closeDetail(picture) {
  looking?.abort();
  if (!byId("detail").open) return;
  byId("detail").close();
  grid.tileOf(picture)?.focus();
}

function close() {
  if (leaving) return;
  if (history.state?.depth > 0) {
    leaving = true;
    history.back();
  } else go({ picture: null }, { replace: true });
}

function neighbour(by) {
  const at = session?.pictures.findIndex(({ id }) => id === state.picture) ?? -1;
  return at < 0 ? undefined : session.pictures[at + by];
}

function like(picture, weight) {
  const parts = currentParts() ?? [];
  go({ ...START, match: state.match, above: state.above, q: formatQuery(withPart(parts, { kind: "like", text: picture.id, weight })) });
}

function submit() {
  const typed = words.value.trim();
  if (!typed) return;
  let added;
  try {
    added = parseQuery(typed);
  } catch (error) {
    if (!(error instanceof NoQuery)) throw error;
    return go({ ...START, match: state.match, above: state.above, q: [state.q && currentParts() ? state.q : "", typed].join(" ").trim() });
  }
  changeParts(added.reduce(withPart, currentParts() ?? []));
}

/** Searches for other parts. Pictures of a topic, or like a file, can be narrowed to cities; a term makes it another search. */
function changeParts(parts) {
  if (session.kind === "search" || parts.some(isTerm)) return go({ q: formatQuery(parts), topic: null, upload: null, picture: null });
  go({ q: formatQuery(parts.filter(({ kind, excluded }) => kind === "city" && !excluded)), picture: null });
}

function replaceWord(word, other) {
  changeParts((currentParts() ?? []).map((part) => (part.text === word ? termOf(other, part.weight) : part)));
}

/** The parts of the query that is shown, or null where it is none. */
function currentParts() {
  try {
    return parseQuery(state.q);
  } catch (error) {
    if (error instanceof NoQuery) return null;
    throw error;
  }
}

function showAsked(parts, unknown = new Set()) {
  showChips(byId("chips"), parts, unknown, changeParts);
  byId("asked").hidden = !parts.length;
  byId("dates").hidden = byId("ranking").hidden = session.kind !== "search";
  words.placeholder = parts.length ? "Add a word…" : "Find pictures of…";
  showFilters(parts, state);
}

function headingOf(parts) {
  byId("heading").classList.toggle("large", session.kind === "search" && parts !== null && !parts.some(isTerm));
  if (session.kind === "upload") {
    const file = keptFile(state.upload);
    if (file) drawingOf(file).then((canvas) => canvas && session?.kind === "upload" && byId("heading").prepend(canvas));
    return "Pictures like yours";
  }
  if (session.kind === "topic") return `Pictures of topic ${state.topic}`;
  return parts === null || parts.some(isTerm) ? "Pictures found" : "Find pictures by words";
}

function countOf({ pictures, more }) {
  if (!pictures.length) return "";
  return `${shortNumber(pictures.length)} ${pictures.length === 1 ? "picture" : "pictures"}${more ? " so far" : ", and no more"}`;
}

function say(text) {
  status.textContent = text;
}

function keepScroll() {
  if (session) session.scroll = scrollY;
}

async function loadFacets() {
  try {
    takeFacets(await facets());
  } catch (error) {
    if (error.status === 401) askForToken();
  }
}

function setUp() {
  history.scrollRestoration = "manual";
  const suggestions = setUpSuggestions(words, byId("suggestions"), { cities: knownCities, submit });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    suggestions.close();
    submit();
  });
  words.addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" || words.value) return;
    const last = [...byId("chips").querySelectorAll(".remove")].at(-1);
    if (last) last.focus(), event.preventDefault();
  });
  setUpChipKeys(byId("chips"));
  setUpFilters(changeParts, go);
  setUpDetail(byId("detail"), { close, closed: () => state.picture && close(), step });
  setUpUploads(
    (file) => go({ ...START, upload: keepFile(file) }),
    () => showError(byId("notice"), new ApiError(415, "That is no picture. JPEG, PNG, WebP and their like can be searched by.")),
  );
  byId("more").addEventListener("click", async () => {
    const at = session.pictures.length;
    await fetchPage();
    grid.focus(at);
  });
  setUpToken(beginAgain);
  document.querySelector(".brand").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(START);
    words.focus();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, dialog")) return;
    event.preventDefault();
    words.focus();
    words.select();
  });
  addEventListener("popstate", () => {
    leaving = false;
    keepScroll();
    show(readState(location.search));
  });
  byId("filters").open = matchMedia("(min-width: 50rem)").matches;
  loadFacets();
  show(readState(location.search));
  if (!state.picture && matchMedia("(hover: hover)").matches) words.focus();
}

function beginAgain() {
  Session.forgetAll();
  session = null;
  loadFacets();
  show(state);
}

setUp();
