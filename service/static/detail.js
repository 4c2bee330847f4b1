// One picture in full: its caption, its topics, and why it matched.

import { fileOf, picture as fetchPicture, thumbnailOf } from "./api.js";
import { cityName, el, nameOf, percent, shortNumber } from "./dom.js";

/**
 * Fills and opens the dialog. `actions` has close(), like(picture, weight), topic(number), step(by) or null, and
 * why(signal), a promise of the terms' lifts or null where there are none to tell.
 */
export async function openDetail(dialog, id, known, actions, signal) {
  const focused = dialog.contains(document.activeElement) && document.activeElement.dataset.key;
  dialog.dataset.picture = id;
  dialog.replaceChildren(...frame(id, known, actions));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  (dialog.querySelector(`[data-key="${focused || "close"}"]:not([disabled])`) ?? dialog).focus();
  const [told, why] = await Promise.allSettled([fetchPicture(id, signal), actions.why(signal)]);
  if (signal.aborted) return;
  if (told.status === "rejected") {
    if (told.reason.status === 401) throw told.reason;
    dialog.querySelector(".about").replaceChildren(
      title(known ? captionOf(known) : "No such picture"),
      el("p", { class: "wrong", role: "alert" }, told.reason.status === 404 ? "This picture is not in the index any more." : told.reason.message),
    );
    return;
  }
  const found = { ...known, ...told.value };
  dialog.querySelector(".about").replaceChildren(...about(found, known, why.value, actions));
}

/** Lets keys and clicks beside the dialog work: Escape closes, arrows step. */
export function setUpDetail(dialog, { close, closed, step }) {
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  // Pressed twice, Escape closes a dialog without asking.
  dialog.addEventListener("close", closed);
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && !event.ctrlKey && !event.metaKey && !event.altKey) step(by);
  });
}

function frame(id, known, { close, step }) {
  const image = el("img", { src: fileOf(id), alt: known ? captionOf(known) : "", draggable: "false" });
  image.style.backgroundImage = `url("${thumbnailOf(id, 320)}")`;
  image.addEventListener("error", () => image.src.includes("/file") && (image.src = thumbnailOf(id, 640)), { once: true });
  const button = (key, label, text, act, enabled = true) =>
    el("button", { type: "button", class: `round ${key}`, "data-key": key, "aria-label": label, title: label, onclick: act, disabled: !enabled }, text);
  return [
    el("div", { class: "bar" },
      button("previous", "Picture before", "←", () => step(-1), step.possible(-1)),
      button("next", "Next picture", "→", () => step(1), step.possible(1)),
      button("close", "Close", "✕", close)),
    el("div", { class: "shown" }, el("a", { href: fileOf(id), target: "_blank", rel: "noopener", "aria-label": "The picture itself" }, image)),
    el("div", { class: "about" },
      title(known ? captionOf(known) : "…"), el("p", { class: "quiet" }, "Looking it up…")),
  ];
}

function about(picture, known, why, { like, topic, lifts }) {
  const captions = picture.captions ?? [];
  const taken = picture.taken_at && new Date(picture.taken_at);
  const facts = [
    ["City", cityName(picture)],
    ["Taken", taken && !Number.isNaN(taken.getTime()) && taken.toLocaleDateString("en", { dateStyle: "long", timeZone: "UTC" })],
    ["Size", picture.width && picture.height && `${picture.width} × ${picture.height}`],
    ["Score", known?.score !== undefined && shortNumber(known.score)],
    ["File", picture.image],
  ].filter(([, value]) => value);
  return [
    title(captionOf(picture)),
    captions.slice(1).map((caption) => el("p", { class: "caption" }, caption)),
    el("div", { class: "acts" },
      el("button", { type: "button", class: "button strong", onclick: () => like(picture, 1) }, "More like this"),
      el("button", { type: "button", class: "button", onclick: () => like(picture, -1) }, "Less like this"),
      el("a", { class: "button", href: fileOf(picture.id), target: "_blank", rel: "noopener" }, "Open the picture")),
    why?.length ? whyItMatched(why, lifts) : null,
    picture.topics?.length ? topicBars(picture.topics, topic) : null,
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
  ].flat().filter(Boolean);
}

function whyItMatched(why, lifts) {
  const length = ({ lift }) => (lifts ? Math.abs(Math.log2(Math.max(lift, 1 / 1024))) : lift);
  const longest = Math.max(lifts ? 1 : 0, ...why.map(length)) || 1;
  return el("section", {},
    el("h3", {}, "Why it matched"),
    el("p", { class: "quiet" }, lifts ? "How many times likelier than average a caption of this picture would hold each term."
      : "How much of each term's topics the picture has.", why.some(({ weight }) => weight < 0) && " Of those with a − less is better."),
    el("ul", { class: "bars lifts" }, why.map((term) =>
      el("li", { class: lifts && term.lift < 1 ? "below" : "" },
        el("span", { class: "name" }, term.weight < 0 && el("b", { class: "minus" }, "− "), ...termName(term)), bar(length(term) / longest), el("span", { class: "value" }, `${shortNumber(term.lift)}${lifts ? " ×" : ""}`)))));
}

function termName({ term, picture }) {
  return picture ? ["like ", el("img", { src: thumbnailOf(term, 160), alt: "the picture", width: 24, height: 24 })] : [term];
}

function topicBars(topics, choose) {
  const most = Math.max(...topics.map(({ weight }) => weight));
  return el("section", {},
    el("h3", {}, "Its topics"),
    el("ul", { class: "bars" }, topics.map(({ topic, weight, words }) =>
      el("li", {},
        el("a", { class: "name", href: `?topic=${topic}`, title: `Pictures with most of topic ${topic}`, onclick: (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          choose(topic);
        } }, words.slice(0, 4).map((word) => word.word ?? word).join(", ") || `topic ${topic}`),
        bar(weight / most), el("span", { class: "value" }, percent(weight))))));
}

function bar(share) {
  const filled = el("span");
  filled.style.width = `${Math.max(1, Math.round(share * 100))}%`;
  return el("span", { class: "bar-line", "aria-hidden": "true" }, filled);
}

function title(text) {
  return el("h2", { id: "detail-title" }, text);
}

function captionOf(picture) {
  return picture.captions?.[0] ?? nameOf(picture);
}
