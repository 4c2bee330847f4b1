// Requests to the server that the page came from.

export const PAGE = 36;

/** An answer that is none. `status` is 0 where the server could not be reached. */
export class ApiError extends Error {
  constructor(status, message, type = "") {
    super(message);
    this.status = status;
    this.type = type;
  }
}

/** Pictures for a query. Terms, filters and all are in its text. */
export function search(state, { offset = 0, limit = PAGE, explain = false, signal } = {}) {
  const asked = { q: state.q, offset, limit };
  if (state.match) asked.match = state.match;
  if (state.above) asked.min_score = 1;
  if (explain) asked.explain = true;
  return get("api/search", asked, signal);
}

/** Pictures like one that need not be indexed. */
export function similarTo(file, { cities = [], offset = 0, limit = PAGE, signal } = {}) {
  const body = new FormData();
  body.append("file", file, file.name || "picture");
  body.append("limit", limit);
  body.append("offset", offset);
  for (const city of cities) body.append("city", city);
  return ask("api/similar", { method: "POST", body, signal });
}

/** The pictures with most of a topic. */
export function picturesOfTopic(topic, { cities = [], offset = 0, limit = PAGE, signal } = {}) {
  return get(`api/topics/${topic}/pictures`, [["offset", offset], ["limit", limit], ...cities.map((city) => ["city", city])], signal);
}

/** The most frequent topics, with their words. */
export function topics(limit, signal) {
  return get("api/topics", { limit }, signal);
}

/** One picture with its payload and leading topics. */
export function picture(id, signal) {
  return get(`api/pictures/${encodeURIComponent(id)}`, {}, signal);
}

/** Words of the vocabulary that begin so, the most frequent first. */
export function suggest(prefix, limit, signal) {
  return get("api/suggest", { prefix, limit }, signal);
}

/** Cities with their numbers of pictures. */
export function facets(signal) {
  return get("api/facets", {}, signal);
}

/** All pictures with their places on the map. */
export function pictureMap(signal) {
  return get("api/map", {}, signal);
}

/** Open the server with its token; the browser keeps it in a cookie that no script can read. */
export function openSession(token) {
  return ask("api/session", {
    method: "POST", body: JSON.stringify({ token }), headers: { "Content-Type": "application/json" },
  });
}

/** The address of a thumbnail that is enough for as many pixels of the screen. */
export function thumbnailOf(id, pixels = 320) {
  const size = [160, 320, 640].find((offered) => offered * 1.1 >= pixels) ?? 640;
  return `api/pictures/${encodeURIComponent(id)}/thumbnail?size=${size}`;
}

/** The address of the picture itself. */
export function fileOf(id) {
  return `api/pictures/${encodeURIComponent(id)}/file`;
}

function get(path, asked, signal) {
  return ask(`${path}?${new URLSearchParams(asked)}`, { signal });
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached. Is topicidx serve still running?");
  }
  const body = answer.status === 204 ? {} : await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  const said = body?.error?.message ?? `The server answered with an error (${answer.status}).`;
  throw new ApiError(answer.ok ? 502 : answer.status, said, body?.error?.type);
}
