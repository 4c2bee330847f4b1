// The pictures of one view, page by page; earlier views are kept, so that going back shows them at once.

import { picturesOfTopic, search, similarTo } from "./api.js";
import { citiesOf, isId } from "./query.js";
import { searchKey } from "./state.js";
import { keptFile } from "./upload.js";

const KEPT = 12;
const sessions = new Map();

/** The pictures of a state, as far as they were asked for. */
export class Session {
  constructor(state) {
    Object.assign(this, { state, pictures: [], terms: [], unknown: [], more: true, loading: false, asked: false, scroll: 0 });
    this.kind = state.upload ? "upload" : state.topic !== null ? "topic" : "search";
  }

  /** The session of a state: one of before, or a new one. */
  static of(state) {
    const key = searchKey(state);
    const session = sessions.get(key) ?? new Session(state);
    sessions.delete(key);
    sessions.set(key, session);
    if (sessions.size > KEPT) sessions.delete(sessions.keys().next().value);
    return session;
  }

  static forgetAll() {
    sessions.clear();
  }

  /** Fetch the next page. Gives the number of pictures that were there before, or null where there is nothing to do. */
  async next(signal) {
    if (!this.more || this.loading) return null;
    this.loading = true;
    try {
      const answer = await this.#ask(signal);
      const there = new Set(this.pictures.map(({ id }) => id));
      const fresh = answer.results.filter(({ id }) => !there.has(id));
      const before = this.pictures.length;
      this.pictures.push(...fresh);
      this.more = Boolean(answer.more) && fresh.length > 0;
      if (!this.asked) Object.assign(this, { terms: answer.terms ?? [], unknown: answer.unknown ?? [] });
      this.asked = true;
      return before;
    } finally {
      this.loading = false;
    }
  }

  /** What each term lifts a picture by, as [{term, lift, weight}]; null where there are no terms. */
  async why(picture, signal) {
    const at = this.pictures.findIndex(({ id }) => id === picture);
    if (this.kind !== "search" || at < 0) return null;
    const { results } = await search(this.state, { offset: at, limit: 1, explain: true, signal });
    if (results[0]?.id !== picture) return null;
    return results[0].why && weighed(results[0].why, this.terms);
  }

  #ask(signal) {
    const offset = this.pictures.length;
    const cities = this.kind === "search" ? [] : citiesOf(this.state.q);
    if (this.kind === "topic") return picturesOfTopic(this.state.topic, { cities, offset, signal });
    if (this.kind === "upload") return similarTo(keptFile(this.state.upload), { cities, offset, signal });
    return search(this.state, { offset, signal });
  }
}

/** Lifts with the weights of the terms they belong to. Words go by the captions' form, and each word of a phrase by itself. */
function weighed(why, terms) {
  const pictures = new Map(terms.filter(({ kind }) => kind === "picture").map(({ text, weight }) => [text, weight]));
  const words = terms.filter(({ kind, known }) => kind !== "picture" && known);
  const asked = why.filter(({ term }) => !pictures.has(term));
  const inOrder = words.length === asked.length;
  return why.map((lift) => {
    const weight = pictures.get(lift.term) ?? (inOrder ? words[asked.indexOf(lift)] : words.find(({ text }) => text.includes(lift.term)))?.weight;
    return { ...lift, weight: weight ?? 1, picture: pictures.has(lift.term) && isId(lift.term) };
  });
}
