// What there is before anything is asked: the topics of the captions, each with its words and a picture.

import { picturesOfTopic, thumbnailOf, topics } from "./api.js";
import { el, percent } from "./dom.js";

const SHOWN = 24;
const AT_ONCE = 3;

let cards = null;

/** Shows the most frequent topics to choose from; `choose(topic)` is called with the number of the one that was. */
export async function showTopics(place, choose, signal) {
  if (!cards) {
    const found = (await topics(SHOWN, signal)).topics;
    cards = found.map((topic) => card(topic, choose));
    illustrate(cards, found);
  }
  place.replaceChildren(...(cards.length ? [el("h2", {}, "What the captions speak of"), el("ul", { class: "topics" }, cards)] : []));
}

function card({ topic, share, words }, choose) {
  const [first, ...others] = words.slice(0, 5).map((word) => word.word ?? word);
  return el("li", {},
    el("a", { href: `?topic=${topic}`, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(topic);
    } },
    el("span", { class: "picture" }),
    el("span", { class: "words" }, el("b", {}, first ?? `topic ${topic}`), el("span", {}, others.join(", "))),
    el("span", { class: "share", title: "of the captions" }, percent(share))));
}

async function illustrate(items, found) {
  const left = items.map((item, index) => [item, found[index].topic]);
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [item, topic] = next;
      const pictures = await picturesOfTopic(topic, { limit: 1 }).then(({ results }) => results, () => []);
      if (pictures.length) item.querySelector(".picture").append(el("img", { src: thumbnailOf(pictures[0].id, 160), alt: "", loading: "lazy" }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
