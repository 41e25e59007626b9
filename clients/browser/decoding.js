/** Text in, messages out. `data` is handed on verbatim, as a piece of the text that came. */

import { ProtocolViolation } from "./errors.js";
import { control, cursorIn, excerpt, outcomeIn, parseObject, streamEvent, textIn } from "./messages.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Outcome} Outcome */
/** @typedef {import("./messages.js").StreamEvent} StreamEvent */

const EVENT = /\{"id":"([^"\\]*)",(?:"type":"([^"\\]*)",)?"data":/y;

/** Reads a frame of a WebSocket, or a line of NDJSON. @param {string} text @param {number} at @returns {Message} */
export function decodeMessage(text, at) {
  EVENT.lastIndex = 0;
  const head = EVENT.exec(text);
  if (head) {
    if (!text.endsWith("}")) throw new ProtocolViolation(`${excerpt(text)} isn't JSON`);
    return streamEvent(head[1] ?? "", head[2] ?? "message", text.slice(EVENT.lastIndex, -1), at);
  }
  const fields = parseObject(text);
  return control(textIn(fields, "control"), fields);
}

/**
 * Reads the answer to a poll.
 *
 * @param {string} text @param {number} at
 * @returns {{events: StreamEvent[], cursor: string, outcome: Outcome | null}}
 */
export function decodePoll(text, at) {
  const begin = '{"events":[';
  if (!text.startsWith(begin)) throw new ProtocolViolation(`${excerpt(text)} isn't the answer to a poll`);
  /** @type {StreamEvent[]} */
  const events = [];
  let place = begin.length;
  while (text[place] !== "]") {
    EVENT.lastIndex = events.length && text[place] === "," ? place + 1 : place;
    const head = EVENT.exec(text);
    if (!head) throw new ProtocolViolation(`${excerpt(text.slice(place))} doesn't begin with an event`);
    const from = EVENT.lastIndex;
    const to = endOfValue(text, from);
    if (text[to] !== "}") throw new ProtocolViolation(`${excerpt(text.slice(to))} where an event should end`);
    events.push(streamEvent(head[1] ?? "", head[2] ?? "message", text.slice(from, to), at));
    place = to + 1;
  }
  if (text[place + 1] !== ",") throw new ProtocolViolation(`${excerpt(text.slice(place))} instead of a cursor`);
  const fields = parseObject(`{${text.slice(place + 2)}`);
  if (typeof fields.done !== "boolean") throw new ProtocolViolation("done isn't true or false");
  const cursor = cursorIn(fields, "cursor");
  if (events.length && cursor !== events.at(-1)?.id) {
    throw new ProtocolViolation(`the answer's cursor is ${cursor}, not that of its last event`);
  }
  return { events, cursor, outcome: fields.done ? outcomeIn(fields) : null };
}

/** @param {number} longest */
const tooLong = (longest) => new ProtocolViolation(`an event didn't end within ${longest} characters`);

const MARK = /["[\]{},]/g;

/**
 * Returns where the JSON value that begins at *place* ends; whether it is one, `JSON.parse` says.
 *
 * @param {string} text @param {number} place
 */
function endOfValue(text, place) {
  let depth = 0;
  for (MARK.lastIndex = place; ; ) {
    const mark = MARK.exec(text)?.[0];
    if (mark === undefined) throw new ProtocolViolation(`${excerpt(text.slice(place))} doesn't end`);
    if (mark === '"') MARK.lastIndex = endOfString(text, MARK.lastIndex);
    else if (mark === "[" || mark === "{") depth++;
    else if (depth === 0) return MARK.lastIndex - 1; // what follows the value
    else if (mark !== ",") depth--;
  }
}

/** @param {string} text @param {number} place behind the opening quote; returns the place behind the closing one */
function endOfString(text, place) {
  for (let quote = text.indexOf('"', place); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let first = quote;
    while (text[first - 1] === "\\") first--;
    if ((quote - Math.max(first, place)) % 2 === 0) return quote + 1;
  }
  throw new ProtocolViolation(`${excerpt(text.slice(place))} doesn't end`);
}

/** Cuts text, as it comes, into lines. What is left at the end was cut, and is none. */
export class Lines {
  #begun = "";
  #afterCR = false;
  #ends;
  #longest;

  /** @param {RegExp | string} ends @param {number} longest characters that a line may have */
  constructor(ends, longest) {
    this.#ends = ends;
    this.#longest = longest;
  }

  /** @param {string} text */
  feed(text) {
    // Only where CR ends a line, it may be half of a line end.
    const from = this.#afterCR && text.startsWith("\n") ? 1 : 0;
    if (text) this.#afterCR = this.#ends instanceof RegExp && text.endsWith("\r");
    const lines = text.slice(from).split(this.#ends);
    lines[0] = this.#begun + lines[0];
    this.#begun = lines.pop() ?? "";
    if (this.#begun.length > this.#longest) throw tooLong(this.#longest);
    return lines;
  }
}

/** Decodes `text/event-stream`, as the HTML standard has it; a block without data is no message. */
export class EventStreamDecoder {
  #lines;
  #id = "";
  #type = "";
  /** @type {string[]} */
  #data = [];
  #length = 0;
  #longest;

  /** @param {number} longest characters that an event's data may have */
  constructor(longest) {
    this.#longest = longest;
    this.#lines = new Lines(/\r\n|\n|\r/, longest);
  }

  /** @param {string} text @param {number} at @returns {Iterable<Message>} */
  *feed(text, at) {
    for (const line of this.#lines.feed(text)) {
      if (line) {
        this.#field(line);
      } else if (this.#data.length) {
        const [type, data] = [this.#type || "message", this.#data.join("\n")];
        this.#data = [];
        this.#length = 0;
        this.#type = "";
        if (type.startsWith("stream-")) yield control(type.slice(7), parseObject(data));
        else yield streamEvent(this.#id, type, data, at);
      } else {
        this.#type = "";
      }
    }
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.#length += value.length + 1;
      if (this.#length > this.#longest) throw tooLong(this.#longest);
      this.#data.push(value);
    } else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }
}
