// What is shown, as the address says it, so that every view can be shared, kept and gone back to.

const MATCHES = ["all", "mean"];

export const START = Object.freeze({ q: "", match: "", above: false, topic: null, upload: null, picture: null });

/** The state that an address means; whatever it does not understand, it leaves out. */
export function readState(search) {
  const values = new URLSearchParams(search);
  const topic = values.get("topic");
  return {
    q: (values.get("q") ?? "").trim(),
    match: MATCHES.includes(values.get("match")) ? values.get("match") : "",
    above: values.get("min_score") === "1",
    topic: /^\d{1,6}$/.test(topic ?? "") ? Number(topic) : null,
    upload: values.get("upload"),
    picture: values.get("picture"),
  };
}

/** The address of a state, relative to the page. */
export function addressOf(state) {
  const values = new URLSearchParams();
  if (state.q) values.set("q", state.q);
  if (state.match) values.set("match", state.match);
  if (state.above) values.set("min_score", "1");
  if (state.topic !== null) values.set("topic", state.topic);
  if (state.upload) values.set("upload", state.upload);
  if (state.picture) values.set("picture", state.picture);
  const text = values.toString();
  return text ? `?${text}` : "./";
}

/** What a search goes by: two states with the same key list the same pictures. */
export function searchKey(state) {
  return addressOf({ ...state, picture: null });
}
