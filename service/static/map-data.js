// The pictures on the map, unpacked: places, cities and topics by number.

export const NONE = 0xffff;

/** What the API gives of the map, with its packed numbers as arrays. */
export function unpack(answer) {
  const { points, cities, topics, pictures, missing, made } = answer;
  const places = new Float32Array(bytesOf(points.places));
  const ids = new Uint8Array(bytesOf(points.ids));
  return {
    count: pictures, missing, made, ids, places,
    ranks: new DataView(ids.buffer),
    groups: { city: new Uint16Array(bytesOf(points.cities)), topic: new Uint16Array(bytesOf(points.topics)) },
    names: {
      city: cities.map(({ city, count }) => ({ name: city, count })),
      topic: topics.map(({ topic, words, count }) => ({ name: words.slice(0, 3).join(", ") || `topic ${topic}`, count })),
    },
    frame: frameOf(places), spacing: spacingOf(places),
  };
}

/** The id of a picture by its number. */
export function idOf({ ids }, number) {
  const digits = [...ids.subarray(number * 16, number * 16 + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The number of a picture by its id, or -1. */
export function numberOf(data, id) {
  const wanted = (id ?? "").replaceAll("-", "").toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(wanted)) return -1;
  const bytes = Array.from({ length: 16 }, (_, at) => parseInt(wanted.slice(2 * at, 2 * at + 2), 16));
  for (let number = 0; number < data.count; number++) {
    if (bytes.every((byte, at) => data.ids[16 * number + at] === byte)) return number;
  }
  return -1;
}

/** Which of two pictures is shown first where there is room for one: any order will do, if it is always the same. */
export function rankOf({ ranks }, number) {
  return ranks.getUint32(16 * number);
}

function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes.buffer;
}

function frameOf(places) {
  const frame = { left: 1, top: 1, right: 0, bottom: 0 };
  for (let at = 0; at < places.length; at += 2) {
    frame.left = Math.min(frame.left, places[at]);
    frame.right = Math.max(frame.right, places[at]);
    frame.top = Math.min(frame.top, places[at + 1]);
    frame.bottom = Math.max(frame.bottom, places[at + 1]);
  }
  return frame;
}

/** How far apart pictures would be, were they spread evenly over the parts of the map that have any. */
function spacingOf(places) {
  const count = places.length / 2;
  if (count < 2) return 1;
  const side = Math.max(1, Math.min(256, Math.round(Math.sqrt(count / 4))));
  const taken = new Uint8Array(side * side);
  for (let at = 0; at < places.length; at += 2) {
    const column = Math.min(side - 1, Math.floor(places[at] * side));
    taken[Math.min(side - 1, Math.floor(places[at + 1] * side)) * side + column] = 1;
  }
  const share = taken.reduce((sum, one) => sum + one, 0) / taken.length;
  return Math.sqrt(share / count);
}
