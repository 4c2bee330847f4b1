// The query language: text to parts and back, as topicidx.indexer.query_language has it. Nothing here touches the page.

const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const GAP = new RegExp(`[${SPACE}]*`, "uy");
const WORD = new RegExp(`[^${SPACE}^"-][^${SPACE}^]*`, "uy");
const VALUE = new RegExp(`[^${SPACE}^"]+`, "uy");
const WHOLE_VALUE = new RegExp(`^[^${SPACE}^"]+$`, "u");
const WRITTEN = new RegExp(`[^${SPACE}]*`, "uy");
const FIELD = new RegExp(`([\\p{L}\\p{Nl}\\p{No}]+):(?=[^${SPACE}])`, "uy");
const WEIGHT = /^(\d+(\.\d*)?|\.\d+)$/;
const FILTERS = ["city", "before", "after"];

export const MAX_WEIGHT = 100;

/** Text that is no query; what is wrong with it is for the server to say. */
export class NoQuery extends Error {}

/**
 * The parts of a query in their order: {kind, text, weight} for a word, phrase or like (a picture), a negative weight pushing
 * down; {kind, text, excluded} for city, before and after. Throws NoQuery. Whether a time is one is left to the server.
 */
export function parseQuery(text) {
  const parts = [];
  let position = skip(text, 0);
  while (position < text.length) {
    const [part, end] = readPart(text, position);
    parts.push(part);
    position = skip(text, end);
    if (position === end && position < text.length) throw new NoQuery(text);
  }
  return parts;
}

/** The query as text. */
export function formatQuery(parts) {
  return parts.map(formatPart).join(" ");
}

/** One part as text. */
export function formatPart(part) {
  if (FILTERS.includes(part.kind)) return `${part.excluded ? "-" : ""}${part.kind}:${formatValue(part.text)}`;
  const body = { phrase: quoted, like: (target) => `like:${formatValue(target)}` }[part.kind]?.(part.text) ?? part.text;
  const size = Math.abs(part.weight);
  return (part.weight < 0 ? "-" : "") + body + (size === 1 ? "" : `^${decimal(size)}`);
}

/** Whether a part is what pictures are scored by, rather than a filter. */
export function isTerm(part) {
  return !FILTERS.includes(part.kind);
}

/** Whether what `like:` names is the id of an indexed picture, which then has a thumbnail. */
export function isId(text) {
  return /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text);
}

/** A word as a part, or a phrase where it is more than one word or looks like something else. */
export function termOf(text, weight = 1) {
  try {
    const [part, ...others] = parseQuery(text);
    if (part?.kind === "word" && !others.length && part.weight === 1) return { ...part, weight };
  } catch (error) {
    if (!(error instanceof NoQuery)) throw error;
  }
  return { kind: "phrase", text, weight };
}

/** Parts with one more: what says the same already is replaced, and a picture may be liked or disliked, not both. */
export function withPart(parts, part) {
  const at = parts.findIndex((other) => other.kind === part.kind && other.text === part.text);
  if (at < 0) return [...parts, part];
  return parts.map((other, index) => (index === at ? { ...other, ...part } : other));
}

/** A day, YYYY-MM-DD, from which `after:` keeps pictures, for what may be a year, a month, a day or a time; null for none. */
export function dayOf(time) {
  const found = /^(\d{4})(?:-(\d\d?)(?:-(\d\d?))?)?(?:[T ]|$)/.exec(time);
  return found && `${found[1]}-${(found[2] ?? "1").padStart(2, "0")}-${(found[3] ?? "1").padStart(2, "0")}`;
}

/** The day some days later. */
export function daysLater(day, days) {
  const date = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) return null;
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

/** The cities that a query keeps to. */
export function citiesOf(text) {
  return parseQuery(text).filter(({ kind, excluded }) => kind === "city" && !excluded).map((part) => part.text);
}

/** What is being typed at the end of the text: {start, sign, field, prefix}; null within a phrase or after a weight. */
export function beingTyped(text) {
  if ((text.match(/(?<!\\)"/g)?.length ?? 0) % 2) return null;
  const found = new RegExp(`(?:^|[${SPACE}])(-?)(city:)?([^${SPACE}^":-][^${SPACE}^":]*)$`, "iu").exec(text);
  if (!found) return null;
  const [, sign, field, prefix] = found;
  return { start: text.length - prefix.length, sign, field: field ? "city" : null, prefix };
}

function readPart(text, start) {
  const minus = text[start] === "-";
  const at = minus ? start + 1 : start;
  const field = match(FIELD, text, at);
  if (field) return readField(text, at + field[0].length, field[1].toLowerCase(), minus);
  if (text[at] === '"') {
    const [phrase, end] = readPhrase(text, at);
    return withWeight({ kind: "phrase", text: phrase }, text, end, minus);
  }
  const word = match(WORD, text, at);
  if (!word || [...FILTERS, "like"].includes(word[0].toLowerCase().slice(0, -1)) && word[0].endsWith(":")) {
    throw new NoQuery(text);
  }
  return withWeight({ kind: "word", text: word[0] }, text, at + word[0].length, minus);
}

function readField(text, at, name, minus) {
  if (name !== "like" && !FILTERS.includes(name)) throw new NoQuery(text);
  const [value, end] = text[at] === '"' ? readPhrase(text, at) : readBare(text, at);
  if (name === "like") return withWeight({ kind: "like", text: value }, text, end, minus);
  if (text[end] === "^" || (minus && name !== "city")) throw new NoQuery(text);
  return [{ kind: name, text: value, excluded: minus }, end];
}

function readBare(text, at) {
  const value = match(VALUE, text, at);
  if (!value) throw new NoQuery(text);
  return [value[0], at + value[0].length];
}

function readPhrase(text, opening) {
  let content = "";
  for (let at = opening + 1; at < text.length; at++) {
    if (text[at] === '"') {
      if (skip(content, 0) === content.length) break;
      return [content, at + 1];
    }
    if (text[at] === "\\" && (text[at + 1] === "\\" || text[at + 1] === '"')) at++;
    content += text[at];
  }
  throw new NoQuery(text);
}

function withWeight(part, text, at, minus) {
  let weight = 1;
  let end = at;
  if (text[at] === "^") {
    const written = match(WRITTEN, text, at + 1)[0];
    weight = Number(written);
    end = at + 1 + written.length;
    if (!WEIGHT.test(written) || !(weight > 0 && weight <= MAX_WEIGHT)) throw new NoQuery(text);
  }
  return [{ ...part, weight: minus ? -weight : weight }, end];
}

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function skip(text, at) {
  return at + match(GAP, text, at)[0].length;
}

function formatValue(text) {
  return WHOLE_VALUE.test(text) ? text : quoted(text);
}

function quoted(text) {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}

function decimal(number) {
  const text = String(number);
  return text.includes("e") ? number.toFixed(20).replace(/0+$/, "") : text;
}
