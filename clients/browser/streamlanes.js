/**
 * Streams of a streamlanes server, in a browser: one module, without dependencies.
 *
 *     import { connect, start } from "/streamlanes.js";
 *
 *     const { links } = await start("", "tokens", { rate: 20 });
 *     for await (const event of connect(links)) console.log(event.id, event.data);
 *
 * It reads the wires of docs/wire.md by `fetch` and `WebSocket`, reconnects, resumes at its cursor, and tells of gaps.
 * Top to bottom: errors, messages, decoders (text in, messages out), wires (one connection each), the choice of a
 * lane, the stream. All times are in seconds, but for `event.at`.
 */

/**
 * @typedef {"sse" | "websocket" | "long-poll" | "ndjson"} Wire
 * @typedef {"completed" | "failed" | "orphaned" | "deleted"} Outcome
 *
 * @typedef {object} Options
 * @property {string} [lane] "auto" (the default) or a lane's name
 * @property {Record<string, string>} [wires] the wire of each lane that isn't named sse, ws, poll or ndjson, such as
 *   `lanes` of `GET /healthz` has them
 * @property {string} [after] "start" (the default: the oldest event held), "now", or a cursor EPOCH:OFFSET
 * @property {Record<string, string>} [headers] sent with every request. A WebSocket can carry `Authorization: Bearer`
 *   only, as a subprotocol; with other headers "auto" leaves WebSockets out
 * @property {"throw" | "skip" | ((gap: CursorExpired) => void)} [onGap] what to do when events are gone that the reader
 *   still lacks: "throw" (the default) CursorExpired, and stay; or go on behind the gap, after telling the function. If
 *   it throws, the reading breaks off there
 * @property {(status: Status) => void} [onStatus] told what happens to the connection
 * @property {AbortSignal} [signal] aborting it makes the loop throw the signal's reason
 * @property {number} [attempts] give up after so many connections in a row without an event or a ping: 12
 * @property {number} [firstDelay] bound of the delay before the first attempt, which doubles each time: 0.5
 * @property {number} [maxDelay] bound of any: 20
 * @property {number} [openTimeout] from connecting to the server's first word: 10
 * @property {number} [grace] how much longer than the server's heartbeat a silence may last: 10
 * @property {() => number} [random] uniform in [0, 1): Math.random
 *
 * @typedef {object} Status
 * @property {"connecting" | "open" | "waiting" | "gap" | "switched" | "ended" | "failed"} state
 * @property {string} lane the lane in use
 * @property {number} attempt counts connections without progress, from 1
 * @property {number} [delay] until the next attempt, when waiting
 * @property {string} reason in plain words
 * @property {Error} [error] what was lost, or thrown
 *
 * @typedef {object} Started
 * @property {string} sessionId whoever has it may read the stream, send to it and delete it
 * @property {string} cursor before the first event
 * @property {Record<string, string>} links the stream's URL on each lane
 */

// --- Errors -----------------------------------------------------------------------------------------------------

/** Base of all errors; `cursor` is where to go on, if it is known. */
export class StreamError extends Error {
  /** @type {string | null} */
  cursor = null;
  get name() {
    return this.constructor.name;
  }
}

/** The stream ended early because its producer failed; what was received before is valid. */
export class StreamFailed extends StreamError {}

/** The stream ended early because its producer's process went away; what was received before is valid. */
export class StreamOrphaned extends StreamError {}

/** There is no such stream here: the id is wrong, or the stream was removed; start a new one. */
export class UnknownStream extends StreamError {}

/** The other side sent what the wire doesn't allow: another version, or something between that changes the bytes. */
export class ProtocolViolation extends StreamError {}

/** The stream has ended and takes no more messages. */
export class StreamEnded extends StreamError {}

/** The producer hasn't taken what was sent before; send it again later. */
export class InboxFull extends StreamError {}

/** The server didn't accept an earlier message that was sent over the WebSocket; it says why. */
export class MessageRefused extends StreamError {}

/** The connection broke, or couldn't be made. */
export class ConnectionLost extends StreamError {}

/** Reconnecting has brought nothing so many times; `cursor` says where to go on. */
export class StreamLost extends ConnectionLost {}

/** The server can't take this now (`status` 429 or 503); it asked for `retryAfter` seconds. */
export class Refused extends ConnectionLost {
  /** @param {string} message @param {number} status @param {number} retryAfter */
  constructor(message, status, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The server won't have this request; `status` is 4xx, the WebSocket's close code, or 0 for a redirect. */
export class RequestRejected extends StreamError {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * The log can't continue from the cursor `after`. `oldest` is the cursor just before the first event still held, `head`
 * that of the last one; `missing` is the number of events between, or null where it can't be known.
 */
export class CursorExpired extends StreamError {
  /** @param {string} after @param {{oldest: string, head: string, missing: number | null}} place */
  constructor(after, { oldest, head, missing }) {
    const lost = missing === null ? "an unknown number of" : missing;
    super(`cursor ${after} can't be continued (${lost} events missing); read on from ${oldest}`);
    this.after = after;
    this.oldest = oldest;
    this.head = head;
    this.missing = missing;
  }
}

// --- Messages: what a connection says, whatever the wire --------------------------------------------------------

/** One event of a stream. */
export class StreamEvent {
  /**
   * @param {string} id @param {number} offset @param {string} type @param {any} data @param {string} raw
   * @param {number} at
   */
  constructor(id, offset, type, data, raw, at) {
    /** EPOCH:OFFSET, a cursor. */
    this.id = id;
    /** Counts from 1 without holes. */
    this.offset = offset;
    this.type = type;
    /** The value. Numbers are doubles; `raw` has every digit. */
    this.data = data;
    /** The JSON text, exactly as on the wire. */
    this.raw = raw;
    /** `performance.now()` when the bytes that completed it came, before they were read. */
    this.at = at;
  }
}

/**
 * @typedef {{control: "open", cursor: string, heartbeat: number}} Opened
 * @typedef {{control: "ping"}} Ping
 * @typedef {{control: "gap", after: string, next: string, missing: number | null}} Gap
 * @typedef {{control: "end", outcome: Outcome}} Ended
 * @typedef {{control: "refused", reason: string}} NotTaken
 * @typedef {StreamEvent | Opened | Ping | Gap | Ended | NotTaken} Message
 * @typedef {Record<string, unknown>} Fields
 */

const CURSOR = /^([0-9a-z]{1,16}):(0|[1-9][0-9]{0,15})$/;
const TYPE = /^(?!error$|open$|stream-)[A-Za-z0-9_.-]{1,64}$/;
const MAX_SECONDS = 86_400;
const OUTCOMES = new Set(["completed", "failed", "orphaned", "deleted"]);

/** @param {string} text */
const excerpt = (text) => (text.length > 80 ? `${JSON.stringify(text.slice(0, 80))}…` : JSON.stringify(text));

/** @param {string} text @returns {{epoch: string, offset: number}} */
function parseCursor(text) {
  const match = CURSOR.exec(text);
  const offset = Number(match?.[2]);
  if (!match || !Number.isSafeInteger(offset)) throw new ProtocolViolation(`${excerpt(text)} isn't a cursor`);
  return { epoch: /** @type {string} */ (match[1]), offset };
}

/** @param {string} text @returns {any} */
function parseJSON(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProtocolViolation(`${excerpt(text)} isn't JSON (${error})`);
  }
}

/** @param {string} text @returns {Fields} */
function parseObject(text) {
  const value = parseJSON(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolViolation(`${excerpt(text)} isn't a JSON object`);
  }
  return value;
}

/** @param {Fields} fields @param {string} name @returns {string} */
function textIn(fields, name) {
  const value = fields[name];
  if (typeof value !== "string") throw new ProtocolViolation(`${name} is ${excerpt(String(value))}, not a string`);
  return value;
}

/** @param {Fields} fields @param {string} name @returns {string} */
function cursorIn(fields, name) {
  const text = textIn(fields, name);
  parseCursor(text);
  return text;
}

/** @param {Fields} fields @param {string} name @returns {number | null} */
function countIn(fields, name) {
  const value = fields[name] ?? null;
  if (value === null || (typeof value === "number" && Number.isInteger(value) && value >= 0)) return value;
  throw new ProtocolViolation(`${name} is ${excerpt(String(value))}, not a number of events or null`);
}

/** @param {Fields} fields @returns {Outcome} */
function outcomeIn(fields) {
  const name = textIn(fields, "outcome");
  if (!OUTCOMES.has(name)) throw new ProtocolViolation(`${excerpt(name)} isn't an outcome`);
  return /** @type {Outcome} */ (name);
}

/** @param {string} id @param {string} type @param {string} raw @param {number} at */
function streamEvent(id, type, raw, at) {
  const { offset } = parseCursor(id);
  if (!TYPE.test(type)) throw new ProtocolViolation(`${excerpt(type)} can't be an event's type`);
  return new StreamEvent(id, offset, type, parseJSON(raw), raw, at);
}

/** @param {string} kind @param {Fields} fields @returns {Message} */
function control(kind, fields) {
  switch (kind) {
    case "open": {
      const heartbeat = fields.heartbeat;
      if (typeof heartbeat !== "number" || !(heartbeat > 0 && heartbeat <= MAX_SECONDS)) {
        throw new ProtocolViolation(`heartbeat is ${excerpt(String(heartbeat))}, not seconds, at most a day`);
      }
      return { control: "open", cursor: cursorIn(fields, "cursor"), heartbeat };
    }
    case "ping":
      return { control: "ping" };
    case "gap":
      return {
        control: "gap",
        after: cursorIn(fields, "after"),
        next: cursorIn(fields, "next"),
        missing: countIn(fields, "missing"),
      };
    case "end":
      return { control: "end", outcome: outcomeIn(fields) };
    case "refused":
      return { control: "refused", reason: textIn(fields, "reason") };
    default:
      throw new ProtocolViolation(`${excerpt(kind)} isn't a control message`);
  }
}

// --- Decoders: `data` is handed on verbatim, as a piece of the text that came ------------------------------------

const EVENT = /\{"id":"([^"\\]*)",(?:"type":"([^"\\]*)",)?"data":/y;

/** Reads a frame of a WebSocket, or a line of NDJSON. @param {string} text @param {number} at @returns {Message} */
function decodeMessage(text, at) {
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
function decodePoll(text, at) {
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
class Lines {
  #begun = "";
  #afterCR = false;
  #ends;

  /** @param {RegExp | string} ends */
  constructor(ends) {
    this.#ends = ends;
  }

  /** @param {string} text */
  feed(text) {
    // Only where CR ends a line, it may be half of a line end.
    const from = this.#afterCR && text.startsWith("\n") ? 1 : 0;
    if (text) this.#afterCR = this.#ends instanceof RegExp && text.endsWith("\r");
    const lines = text.slice(from).split(this.#ends);
    lines[0] = this.#begun + lines[0];
    this.#begun = lines.pop() ?? "";
    return lines;
  }
}

/** Decodes `text/event-stream`, as the HTML standard has it; a block without data is no message. */
class EventStreamDecoder {
  #lines = new Lines(/\r\n|\n|\r/);
  #id = "";
  #type = "";
  /** @type {string[]} */
  #data = [];

  /** @param {string} text @param {number} at @returns {Iterable<Message>} */
  *feed(text, at) {
    for (const line of this.#lines.feed(text)) {
      if (line) {
        this.#field(line);
      } else if (this.#data.length) {
        const [type, data] = [this.#type || "message", this.#data.join("\n")];
        this.#data = [];
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
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }
}

// --- Refusals, in HTTP statuses and close codes -----------------------------------------------------------------

const MAX_PATIENCE = 3600;

/**
 * Returns the error that a response stands for, to a request for the stream after the cursor *after* (null: none was
 * asked for).
 *
 * @param {Response} response @param {string | null} after
 */
async function refusedWithStatus(response, after) {
  if (response.type === "opaqueredirect") {
    return new RequestRejected("the server redirects; use the address that it redirects to", 0);
  }
  /** @type {Fields} */
  let problem = {};
  try {
    problem = parseObject(await response.text());
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error; // a page of some proxy's; the status says enough
  }
  const { status } = response;
  const message = reasons(status, response.statusText, problem);
  if (status === 429 || status === 503) {
    return new Refused(message, status, secondsUntil(response.headers.get("Retry-After")));
  }
  if (status >= 500) return new ConnectionLost(message);
  if (status === 404) return new UnknownStream(message);
  if (status === 410) return expired(after, problem);
  if (status >= 400) return new RequestRejected(message, status);
  return new ProtocolViolation(`${message}: not the answer of a stream`);
}

/** @param {number} status @param {string} phrase @param {Fields} problem */
function reasons(status, phrase, problem) {
  const detail = problem.detail || problem.title;
  const summary = typeof detail === "string" ? detail : `the server answered ${status} ${phrase}`.trimEnd();
  const errors = Array.isArray(problem.errors) ? problem.errors : [];
  const more = errors.filter((error) => !summary.includes(String(error?.message)));
  return [summary, ...more.map((error) => `${error?.field}: ${error?.message}`)].join("; ");
}

/** @param {number} code @param {string} reason @param {string | null} after */
function refusedWithCode(code, reason, after) {
  if (code === 4404) return new UnknownStream(reason || "there is no such stream here; start a new one");
  if (code === 4410) return expired(after, parseObject(reason));
  // 4408, too slow, passes: the reader may well keep up next time.
  if (code >= 4400 && code < 4500 && code !== 4408) {
    return new RequestRejected(reason || `the server closed the connection with ${code}`, code);
  }
  return new ConnectionLost(`the server closed the connection with ${code}${reason ? ` (${reason})` : ""}`);
}

/** @param {string | null} after @param {Fields} problem */
function expired(after, problem) {
  if (after === null) return new ProtocolViolation("the server can't continue a cursor, but was given none");
  return new CursorExpired(after, {
    oldest: cursorIn(problem, "oldest"),
    head: cursorIn(problem, "head"),
    missing: countIn(problem, "missing"),
  });
}

/** Reads a Retry-After field, seconds or a date, up to an hour. @param {string | null} field */
function secondsUntil(field) {
  if (!field) return 0;
  const seconds = Number.isNaN(Number(field)) ? (Date.parse(field) - Date.now()) / 1000 : Number(field);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), MAX_PATIENCE) : 0;
}

// --- Wires: one connection each ---------------------------------------------------------------------------------

/** One connection: what it is to bring, and what has become of it. */
class Connection {
  /** @type {WebSocket | null} open, for what goes up */
  socket = null;
  /** Whether the server has answered at all; a browser can't tell for a WebSocket before it is open. */
  answered = false;
  opened = false;
  began = performance.now();
  #controller = new AbortController();

  /**
   * @param {Lane} lane @param {string} after @param {Record<string, string>} headers
   * @param {() => void} requested told of every request
   */
  constructor(lane, after, headers, requested) {
    this.lane = lane;
    this.after = after;
    this.headers = headers;
    this.requested = requested;
    this.signal = this.#controller.signal;
    /** Chunks of messages. When it throws, and when `close` is called, the connection is gone. */
    this.chunks = WIRES[lane.wire](this);
  }

  /** @param {Error} reason what reading it throws from now on */
  close(reason) {
    this.#controller.abort(reason);
    this.chunks.return().catch(() => {}); // a wire that was waiting has thrown the reason, to whom it concerns
  }
}

/** @typedef {AsyncGenerator<Iterable<Message>, void, void>} Chunks */

/** @type {Record<Wire, (connection: Connection) => Chunks>} */
const WIRES = {
  sse: async function* (connection) {
    const decoder = new EventStreamDecoder();
    const response = await get(connection, streamURL(connection), "text/event-stream");
    for await (const [text, at] of body(response, connection)) {
      yield decoder.feed(text, at);
    }
  },

  ndjson: async function* (connection) {
    const lines = new Lines("\n");
    const response = await get(connection, streamURL(connection), "application/x-ndjson");
    for await (const [text, at] of body(response, connection)) {
      yield decodeEach(lines.feed(text).map((line) => /** @type {const} */ ([line, at])));
    }
  },

  "long-poll": async function* (connection) {
    const { searchParams } = new URL(connection.lane.url);
    const wait = Number(searchParams.get("wait") ?? 30);
    let { after } = connection;
    // The first poll doesn't wait: its answer stands for `open`, and resolves `start` and `now` at once.
    for (let waiting = 0; ; waiting = wait) {
      const url = streamURL(connection, { after, wait: String(waiting), limit: searchParams.get("limit") ?? "256" });
      const response = await get(connection, url, "application/json");
      const bytes = await translated(connection, "the connection was cut", () => response.arrayBuffer());
      const at = performance.now();
      const { events, cursor, outcome } = decodePoll(decodeUTF8(new TextDecoder("utf-8", STRICT), bytes), at);
      /** @type {Message[]} */
      const messages = [...events];
      if (!waiting) messages.unshift({ control: "open", cursor: before(events[0], cursor), heartbeat: wait });
      else if (!events.length) messages.push({ control: "ping" });
      if (outcome) messages.push({ control: "end", outcome });
      yield messages;
      after = cursor;
    }
  },

  websocket: async function* (connection) {
    const url = streamURL(connection);
    const asked = cursorOf(url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const token = bearer(connection.headers);
    connection.requested();
    const socket = new WebSocket(url, token === null ? [] : ["streamlanes", `bearer.${token}`]);
    /** @type {(readonly [string, number])[]} */
    let frames = [];
    let size = 0;
    /** @type {Error | null} */
    let over = null;
    let wake = () => {};
    socket.onopen = () => {
      connection.socket = socket;
    };
    socket.onmessage = ({ data }) => {
      const at = performance.now();
      if (typeof data === "string") {
        frames.push([data, at]);
        size += data.length;
        if (size > MAX_QUEUED) socket.onmessage = (socket.close(), null); // the rest comes again, when it is read
      } else {
        over = new ProtocolViolation("a binary frame came");
      }
      wake();
    };
    socket.onclose = ({ code, reason }) => {
      if (code === 1009 && connection.opened) frames.push([TOO_LONG, performance.now()]);
      over ??= connection.socket
        ? refusedOrLost(() => refusedWithCode(code, reason, asked))
        : new ConnectionLost("the WebSocket couldn't be opened; a browser isn't told why");
      wake();
    };
    const aborted = () => {
      over = connection.signal.reason;
      frames = [];
      wake();
    };
    connection.signal.addEventListener("abort", aborted);
    try {
      for (;;) {
        if (frames.length) {
          const chunk = frames;
          frames = [];
          size = 0;
          yield decodeEach(chunk);
        } else if (over) {
          throw over;
        } else {
          await new Promise((resolve) => (wake = () => resolve(undefined)));
        }
      }
    } finally {
      connection.signal.removeEventListener("abort", aborted);
      socket.onopen = socket.onmessage = socket.onclose = null;
      connection.socket = null;
      socket.close();
    }
  },
};

const STRICT = { fatal: true };
const TOO_LONG = '{"control":"refused","reason":"it was longer than the server takes any"}';
const MAX_QUEUED = 8 * 1024 * 1024; // characters; a WebSocket can't be asked to wait

/** @param {() => Error} make @returns {Error} */
function refusedOrLost(make) {
  try {
    return make();
  } catch (error) {
    return /** @type {Error} */ (error);
  }
}

/** @param {StreamEvent | undefined} first @param {string} cursor where a poll's answer begins */
function before(first, cursor) {
  return first ? `${parseCursor(first.id).epoch}:${first.offset - 1}` : cursor;
}

/** @param {Iterable<readonly [string, number]>} texts @returns {Iterable<Message>} */
function* decodeEach(texts) {
  for (const [text, at] of texts) yield decodeMessage(text, at);
}

/** @param {Connection} connection @param {Record<string, string>} query */
function streamURL({ lane, after }, query = { after }) {
  const url = new URL(lane.url);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/** @param {URL} url @returns {string | null} the cursor that it asks for, if it does */
function cursorOf(url) {
  const after = url.searchParams.get("after") ?? "";
  return CURSOR.test(after) ? after : null;
}

/** @param {Record<string, string>} headers @returns {string | null} the bearer token, if that is all there is */
function bearer(headers) {
  const [[name, value] = ["", ""], ...others] = Object.entries(headers);
  const match = name.toLowerCase() === "authorization" && !others.length ? /^bearer +(\S+)$/i.exec(value) : null;
  return match?.[1] ?? null;
}

/** @param {Connection} connection @param {URL} url @param {string} type */
async function get(connection, url, type) {
  // A second media type in Accept: the server then answers with statuses, which an EventSource couldn't see.
  const headers = { ...connection.headers, Accept: `${type}, application/problem+json` };
  connection.requested();
  return translated(connection, "the server can't be reached", async () => {
    const response = await fetch(url, { ...FETCH, headers, signal: connection.signal });
    connection.answered = true;
    if (response.status !== 200) throw await refusedWithStatus(response, cursorOf(url));
    const given = response.headers.get("Content-Type")?.split(";")[0]?.trim().toLowerCase();
    if (given !== type) {
      throw new ProtocolViolation(`the answer is ${given || "of no type"}, not ${type}: is this a streamlanes server?`);
    }
    return response;
  });
}

/** Cookies go where a WebSocket's would. @type {RequestInit} */
const FETCH = { cache: "no-store", credentials: "include", redirect: "manual" };

/**
 * Yields the text of a body as it comes, and when it came.
 *
 * @param {Response} response @param {Connection} connection @returns {AsyncGenerator<readonly [string, number]>}
 */
async function* body(response, connection) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder("utf-8", STRICT);
  for (;;) {
    const { done, value } = await translated(connection, "the connection was cut", () => reader.read());
    if (done) return;
    const at = performance.now();
    yield [decodeUTF8(decoder, value, { stream: true }), at];
  }
}

/** @param {TextDecoder} decoder @param {AllowSharedBufferSource} bytes @param {TextDecodeOptions} [options] */
function decodeUTF8(decoder, bytes, options) {
  try {
    return decoder.decode(bytes, options);
  } catch {
    throw new ProtocolViolation("what came isn't UTF-8");
  }
}

/**
 * Raises the browser's errors as this module's: why the connection was closed, or that it is lost.
 *
 * @template T @param {{signal: AbortSignal}} connection @param {string} message @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
async function translated({ signal }, message, ask) {
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof StreamError ? error : new ConnectionLost(message);
  }
}

// --- The choice of a lane ---------------------------------------------------------------------------------------

/** @typedef {{name: string, wire: Wire, url: string}} Lane */

/** @type {Record<string, string>} */
const NAMES = { sse: "sse", ws: "websocket", poll: "long-poll", ndjson: "ndjson" };
/** @type {Wire[]} */
const ORDER = ["websocket", "sse", "long-poll"];
const TALKING = 2.5;
const SHORT = 1;
const STRIKES = 3;

/**
 * Which lane to use, by what was observed of those before it. Takes the next one when a connection isn't open and
 * talking within 2.5 s, or three in a row have ended within a second. A lane that works is remembered for the tab.
 * A server that can't be reached at all, or has no room, says nothing about a lane: then it begins anew.
 */
class Route {
  #first; // where it begins: the one that is remembered, or the first
  #index;
  #strikes = 0;
  #proven = false;

  /** @param {Lane[]} lanes at least one, in the order of preference */
  constructor(lanes) {
    this.lanes = lanes;
    this.#first = Math.max(0, lanes.findIndex((lane) => lane.name === this.#remembered));
    this.#index = this.#first;
  }

  get lane() {
    return /** @type {Lane} */ (this.lanes[this.#index]);
  }

  get #last() {
    return this.#index === this.lanes.length - 1;
  }

  /** @param {number} openTimeout until when a connection has to have said something */
  limit(openTimeout) {
    return this.#last ? openTimeout : Math.min(TALKING, openTimeout);
  }

  opened() {
    this.#proven = true;
    if (this.lanes.length > 1) this.#remembered = this.lane.name;
  }

  /**
   * Learns of a connection that was lost; says why another lane is taken, if it is, and whether at once.
   *
   * @param {Connection} connection @param {ConnectionLost} lost @param {boolean} silent it was given up
   * @returns {{reason: string, atOnce: boolean} | null}
   */
  lost(connection, lost, silent) {
    if (this.lanes.length === 1) return null;
    const late = silent && !connection.opened && !this.#last;
    const unreachable = connection.lane.wire !== "websocket" && !connection.answered && !late;
    if (unreachable || lost instanceof Refused) {
      if (this.#proven || this.#index === this.#first) return null;
      const { name } = this.lane;
      this.#take(this.#first);
      return { reason: `${name} isn't served either, so it isn't the lane`, atOnce: false };
    }
    const short = performance.now() - connection.began < SHORT * 1000;
    this.#strikes = short ? this.#strikes + 1 : 0;
    if (this.#last || (!late && this.#strikes < STRIKES)) return null;
    const { name } = this.lane;
    this.#take(this.#index + 1);
    const observed = late ? lost.message : `it ended within a second, ${STRIKES} times in a row`;
    return { reason: `${name} doesn't get through: ${observed}`, atOnce: true };
  }

  /** @param {number} index */
  #take(index) {
    this.#index = index;
    this.#strikes = 0;
    this.#proven = false;
  }

  get #key() {
    return `streamlanes:${new URL(/** @type {Lane} */ (this.lanes[0]).url).host}`;
  }

  get #remembered() {
    try {
      return sessionStorage.getItem(this.#key);
    } catch {
      return null; // a worker, or a page that may not store anything
    }
  }

  set #remembered(name) {
    try {
      if (name) sessionStorage.setItem(this.#key, name);
    } catch {
      // as above; the stream remembers it for itself
    }
  }
}

/** @param {Record<string, string> | string} links @param {Options} options @returns {Lane[]} */
function lanesOf(links, { lane = "auto", wires = {}, headers = {} }) {
  const known = { ...NAMES, ...wires };
  const named = typeof links === "string" ? { [lane]: links } : links;
  /** @type {Lane[]} */
  const lanes = Object.entries(named).flatMap(([name, link]) => {
    const wire = known[name];
    if (wire === undefined || !Object.hasOwn(WIRES, wire)) return [];
    return [{ name, wire: /** @type {Wire} */ (wire), url: absolute(link) }];
  });
  const able = bearer(headers) !== null || !Object.keys(headers).length;
  if (lane !== "auto") {
    const chosen = lanes.filter(({ name }) => name === lane);
    if (!chosen.length) throw new TypeError(`there is no link for the lane ${lane}, or its wire isn't known`);
    if (chosen[0]?.wire === "websocket" && !able) {
      throw new TypeError("a browser's WebSocket can carry no header but Authorization: Bearer");
    }
    return chosen;
  }
  const order = ORDER.filter((wire) => wire !== "websocket" || able);
  const found = order.flatMap((wire) => lanes.find((one) => one.wire === wire) ?? []);
  if (!found.length) throw new TypeError("there is no link for WebSocket, SSE or long poll; name the lane");
  return found;
}

/** @param {string} link */
function absolute(link) {
  const url = new URL(link, globalThis.document?.baseURI ?? globalThis.location.href);
  if (url.protocol.startsWith("ws")) url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  if (!url.protocol.startsWith("http")) throw new TypeError(`${link} isn't a server's URL`);
  url.hash = "";
  return url.href;
}

// --- The stream -------------------------------------------------------------------------------------------------

const GAPS_REMEMBERED = 1000;
const MAX_UNSENT = 1024 * 1024; // bytes

/**
 * The events of one stream, in order, each once, over as many connections as it takes. The first connection is made
 * when the first event is asked for.
 *
 * The loop ends when the stream has ended (`outcome`), and when it is closed. It throws StreamFailed or StreamOrphaned
 * if the stream ended early, CursorExpired if events are missing, StreamLost when reconnecting has brought nothing so
 * many times, and UnknownStream, RequestRejected or ProtocolViolation, should a connection meet with these. After an
 * error another loop goes on from the cursor.
 *
 * `cursor` moves to an event when the next one is asked for: who saves it, and connects with it again, gets every event
 * at least once. To save a place together with an event's effects, inside the loop, use `event.id`. Leaving the loop
 * closes the stream.
 *
 * @implements {AsyncIterableIterator<StreamEvent>}
 */
export class EventStream {
  #route;
  #options;
  #life = new AbortController();
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Iterator<Message>} */
  #messages = [].values();
  /** @type {{epoch: string, offset: number} | null} */
  #position = null;
  #given = false;
  /** @type {Outcome | null} */
  #outcome = null;
  /** @type {CursorExpired[]} */
  #gaps = [];
  /** @type {CursorExpired | null} the server won't continue the cursor, and the gap isn't told yet */
  #refused = null;
  #limit = 0;
  #failures = 0;
  #opened = 0;
  #requests = 0;
  #reading = false;
  /** @type {string | null} why an earlier message wasn't taken */
  #refusal = null;

  /** @param {Lane[]} lanes @param {Options} options */
  constructor(lanes, options) {
    this.#route = new Route(lanes);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#options = {
      after: "start",
      headers: {},
      /** @type {NonNullable<Options["onGap"]>} */
      onGap: "throw",
      attempts: 12,
      firstDelay: 0.5,
      maxDelay: 20,
      openTimeout: 10,
      grace: 10,
      random: Math.random,
      .../** @type {Options} */ (Object.fromEntries(given)),
    };
    const { after, onGap, attempts, firstDelay, maxDelay, openTimeout, grace, signal } = this.#options;
    if (CURSOR.test(after)) this.#position = parseCursor(after);
    else if (after !== "start" && after !== "now") throw new TypeError(`after is ${after}, not a cursor, start or now`);
    if (!(attempts >= 1 && Math.min(firstDelay, maxDelay, openTimeout, grace) > 0)) {
      throw new TypeError("times must be positive, and there must be at least one attempt");
    }
    if (onGap !== "throw" && onGap !== "skip" && typeof onGap !== "function") {
      throw new TypeError(`onGap is ${onGap}, not throw, skip or a function`);
    }
    if (signal?.aborted) this.#end(signal.reason);
    else signal?.addEventListener("abort", () => this.#end(signal.reason), { once: true, signal: this.#life.signal });
  }

  /** The last event that the loop is done with; null until `start` or `now` has been resolved. */
  get cursor() {
    return this.#position && `${this.#position.epoch}:${this.#position.offset}`;
  }

  /** How the stream ended: completed or deleted. */
  get outcome() {
    return /** @type {"completed" | "deleted" | null} */ (this.#outcome);
  }

  /** The name of the lane in use. */
  get lane() {
    return this.#route.lane.name;
  }

  /** How many times the connection had to be made again, and was. */
  get reconnects() {
    return Math.max(this.#opened - 1, 0);
  }

  /** HTTP requests and WebSocket handshakes so far. */
  get requests() {
    return this.#requests;
  }

  /** The gaps that were gone past, in order: the last 1,000. */
  get gaps() {
    return [...this.#gaps];
  }

  /**
   * Sends a value to the stream's producer, as JSON, once: a call that fails isn't repeated. Over WebSocket as a frame,
   * else as `POST /send/{id}`. Throws InboxFull, StreamEnded, UnknownStream, RequestRejected or Refused, which say why,
   * and ConnectionLost if nothing was heard of it: it may have arrived all the same.
   *
   * Over WebSocket returning means that it is on its way, and is no answer. A refusal comes among the events, so that
   * the call after it throws MessageRefused, and sends nothing. The connection is made again by reading.
   *
   * @param {unknown} value
   */
  async send(value) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError("only JSON can be sent");
    try {
      if (this.#outcome) throw new StreamEnded(`the stream has ended (${this.#outcome}) and takes no more messages`);
      if (this.#life.signal.aborted) throw new StreamEnded("the stream was closed; connect again to send");
      if (this.#route.lane.wire === "websocket") this.#sendFrame(text);
      else await this.#post(text);
    } catch (error) {
      throw this.#placed(error);
    }
  }

  /** Closes the connection and ends the loop; nothing keeps running. */
  close() {
    this.#end(CLOSED);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<StreamEvent, undefined>>} */
  async next() {
    if (this.#reading) throw new TypeError("one loop reads a stream at a time");
    this.#reading = true;
    try {
      if (this.#given && this.#position) this.#position.offset++;
      this.#given = false;
      while (!this.#outcome) {
        const event = this.#take(await this.#message());
        if (event) return { done: false, value: event };
      }
      this.#end(CLOSED);
    } catch (error) {
      this.#disconnect();
      const { signal } = this.#life;
      if (!signal.aborted) {
        const failed = /** @type {Error} */ (this.#placed(error));
        this.#tell("failed", { reason: failed.message, error: failed });
        throw failed;
      }
      if (signal.reason !== CLOSED) throw signal.reason;
    } finally {
      this.#reading = false;
    }
    return { done: true, value: undefined };
  }

  /** @returns {Promise<IteratorResult<StreamEvent, undefined>>} */
  async return() {
    this.close();
    return { done: true, value: undefined };
  }

  /** Accepts what continues the stream, and nothing else. @param {Message} message @returns {StreamEvent | null} */
  #take(message) {
    const connection = this.#connection;
    const { cursor } = this;
    if ("control" in message && message.control === "open") {
      if (!connection || connection.opened) throw new ProtocolViolation("the connection was opened twice");
      if (this.#refused) this.#skip(gapTo(message.cursor, this.#refused));
      else if (cursor !== null && message.cursor !== cursor) {
        throw new ProtocolViolation(`asked to go on from ${cursor}, the server goes on from ${message.cursor}`);
      }
      this.#position = parseCursor(message.cursor);
      this.#limit = message.heartbeat + this.#options.grace;
      connection.opened = true;
      this.#opened++;
      this.#route.opened();
      const again = this.#opened > 1 ? "reconnected; goes" : "connected; reads";
      this.#tell("open", { reason: `${again} on after ${message.cursor}` });
      return null;
    }
    if (!connection?.opened || !this.#position) throw new ProtocolViolation("the connection doesn't begin with open");
    if (!("control" in message)) {
      const due = `${this.#position.epoch}:${this.#position.offset + 1}`;
      if (message.id !== due) throw new ProtocolViolation(`event ${message.id} came where ${due} was due`);
      this.#failures = 0;
      this.#given = true;
      return message;
    }
    switch (message.control) {
      case "ping":
        this.#failures = 0;
        break;
      case "gap": {
        const { after, next, missing } = message;
        if (after !== cursor) throw new ProtocolViolation(`a gap after ${after} was told to a reader at ${cursor}`);
        this.#skip(new CursorExpired(after, { oldest: next, head: next, missing }));
        break;
      }
      case "refused":
        this.#refusal = message.reason;
        break;
      case "end":
        if (message.outcome === "failed") throw new StreamFailed(`the stream's producer failed after event ${cursor}`);
        if (message.outcome === "orphaned") {
          throw new StreamOrphaned(`the stream's producer went away after event ${cursor}`);
        }
        this.#outcome = message.outcome;
        this.#tell("ended", { reason: `the stream has ended: ${message.outcome}` });
    }
    return null;
  }

  /**
   * Goes on behind a gap, or throws it. It is told before the cursor moves, as events are.
   *
   * @param {CursorExpired} gap
   */
  #skip(gap) {
    const { onGap } = this.#options;
    if (onGap === "throw") throw gap;
    this.#check(gap);
    gap.cursor = this.cursor;
    if (typeof onGap === "function") onGap(gap);
    this.#position = parseCursor(gap.oldest);
    this.#refused = null;
    this.#gaps.push(gap);
    if (this.#gaps.length > GAPS_REMEMBERED) this.#gaps.shift();
    this.#tell("gap", { reason: gap.message, error: gap });
  }

  /** @param {CursorExpired} gap */
  #check(gap) {
    if (gap.oldest === this.cursor) {
      throw new ProtocolViolation(`the server can't go on from ${gap.oldest}, and says to go on from there`);
    }
  }

  /** Returns the next message, over a new connection if need be. @returns {Promise<Message>} */
  async #message() {
    // Counts from here, and to a whole message: the time that the loop takes for an event is its own.
    let waited = 0;
    for (;;) {
      this.#life.signal.throwIfAborted();
      if (!this.#connection) {
        this.#connect();
        this.#life.signal.throwIfAborted(); // whoever was told may have closed it
        waited = 0;
      }
      const connection = /** @type {Connection} */ (this.#connection);
      /** @type {ConnectionLost} */
      let lost;
      let silent = false;
      try {
        const { done, value } = this.#messages.next();
        if (!done) return value;
        const began = performance.now();
        const timer = setTimeout(() => {
          silent = true;
          connection.close(new ConnectionLost(`nothing came for ${this.#limit} s`));
        }, (this.#limit - waited) * 1000);
        try {
          const chunk = await connection.chunks.next();
          if (!chunk.done) {
            this.#messages = chunk.value[Symbol.iterator]();
            waited += (performance.now() - began) / 1000;
            continue;
          }
        } finally {
          clearTimeout(timer);
        }
        lost = new ConnectionLost("the connection was closed before the stream's end");
      } catch (error) {
        if (error instanceof CursorExpired) {
          if (this.#options.onGap === "throw") throw error;
          this.#check(error);
          // On from the oldest event that there is then: the place that was told may be gone by the next request.
          this.#refused = error;
          this.#disconnect();
          continue;
        }
        if (error instanceof ConnectionLost) {
          lost = error;
        } else {
          throw error;
        }
      }
      this.#life.signal.throwIfAborted();
      this.#disconnect();
      await this.#backOff(connection, lost, silent);
    }
  }

  #connect() {
    const { lane } = this.#route;
    const { after, headers, openTimeout } = this.#options;
    this.#limit = this.#route.limit(openTimeout);
    this.#tell("connecting", { reason: `connects by ${lane.name}` });
    if (this.#life.signal.aborted) return;
    const place = this.#refused ? "start" : (this.cursor ?? after);
    this.#connection = new Connection(lane, place, headers, () => this.#requests++);
  }

  /** @param {Connection} connection @param {ConnectionLost} lost @param {boolean} silent */
  async #backOff(connection, lost, silent) {
    this.#failures++;
    const { attempts, firstDelay, maxDelay, random } = this.#options;
    if (this.#failures >= attempts) {
      const tried = this.#failures;
      this.#failures = 0;
      const place = this.cursor === null ? "" : `; go on from ${this.cursor}`;
      const given = `gave up after ${tried} attempts without progress${place}`;
      throw new StreamLost(`${given}: ${lost.message}`, { cause: lost });
    }
    const turn = this.#route.lost(connection, lost, silent);
    if (turn) this.#tell("switched", { reason: turn.reason, error: lost });
    if (turn?.atOnce) return;
    // Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). What the server asked
    // for comes on top: as the floor, it would bring all of its clients back at the same moment.
    const bound = Math.min(firstDelay * 2 ** (this.#failures - 1), maxDelay);
    const delay = (lost instanceof Refused ? lost.retryAfter : 0) + random() * bound;
    this.#tell("waiting", { reason: lost.message, delay, error: lost });
    await sleep(delay, this.#life.signal);
  }

  #disconnect() {
    this.#connection?.close(CLOSED);
    this.#connection = null;
    this.#messages = [].values();
  }

  /** @param {unknown} reason */
  #end(reason) {
    this.#life.abort(reason);
    this.#disconnect();
  }

  /** @param {Status["state"]} state @param {{reason: string, delay?: number, error?: Error}} more */
  #tell(state, more) {
    this.#options.onStatus?.({ state, lane: this.lane, attempt: this.#failures + 1, ...more });
  }

  /** @template T @param {T} error @returns {T} */
  #placed(error) {
    if (error instanceof StreamError) error.cursor = this.cursor;
    return error;
  }

  /** @param {string} text */
  #sendFrame(text) {
    const refusal = this.#refusal;
    this.#refusal = null;
    if (refusal) throw new MessageRefused(`an earlier message was refused (${refusal}), and this one not sent`);
    const socket = this.#connection?.socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      throw new ConnectionLost("there is no connection just now; reading the stream makes a new one");
    }
    if (socket.bufferedAmount > MAX_UNSENT) throw new InboxFull("what was sent before is still on its way");
    socket.send(text);
  }

  /** @param {string} text */
  async #post(text) {
    const url = new URL(this.#route.lane.url);
    const path = /^(.*)\/[^/]+\/([^/]+)$/.exec(url.pathname);
    if (!path) throw new TypeError(`${url.pathname} isn't a stream's path, which ends with LANE/ID`);
    url.pathname = `${path[1]}/send/${path[2]}`;
    this.#requests++;
    const { openTimeout, headers } = this.#options;
    const response = await post(url, text, headers, openTimeout, this.#life.signal);
    if (response.status === 202) return;
    const error = await refusedWithStatus(response, null);
    if (response.status === 409) throw new StreamEnded(error.message);
    if (response.status === 429) throw new InboxFull(error.message);
    throw error;
  }
}

const CLOSED = new StreamError("closed");

/**
 * Returns the gap that *refused* told, as it is now that the log begins after *oldest*.
 *
 * @param {string} oldest @param {CursorExpired} refused
 */
function gapTo(oldest, refused) {
  const to = parseCursor(oldest);
  const from = parseCursor(refused.after);
  const last = parseCursor(refused.head);
  const missing = to.epoch === from.epoch && to.offset > from.offset ? to.offset - from.offset : null;
  const head = last.epoch === to.epoch && last.offset > to.offset ? refused.head : oldest;
  return new CursorExpired(refused.after, { oldest, head, missing });
}

/** @param {number} seconds @param {AbortSignal} signal ends it early, without an error */
function sleep(seconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve(undefined);
    };
    const timer = setTimeout(done, seconds * 1000);
    signal.addEventListener("abort", done);
    if (signal.aborted) done(); // which no listener is told of any more
  });
}

/**
 * @param {URL} url @param {string} body @param {Record<string, string>} headers
 * @param {number} timeout @param {AbortSignal} [signal]
 */
async function post(url, body, headers, timeout, signal) {
  const late = AbortSignal.timeout(timeout * 1000);
  const either = signal ? AbortSignal.any([signal, late]) : late;
  try {
    return await fetch(url, {
      ...FETCH,
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json", Accept: "application/json, application/problem+json" },
      body,
      signal: either,
    });
  } catch {
    signal?.throwIfAborted();
    throw new ConnectionLost(late.aborted ? `no answer came within ${timeout} s` : "the server can't be reached");
  }
}

/**
 * Returns a stream to loop over.
 *
 * @param {Record<string, string> | string} links the stream's URL on each lane, as `start` returns them; or one URL,
 *   whose lane the options name
 * @param {Options} [options]
 */
export function connect(links, options = {}) {
  return new EventStream(lanesOf(links, options), options);
}

/**
 * Starts a session at the server whose root is *base* ("" for the page's own), once: a call that fails isn't repeated.
 *
 * Throws RequestRejected for a producer or parameters that the server doesn't know or allow, Refused if it takes no new
 * sessions now, ConnectionLost if it can't be reached within 10 s.
 *
 * @param {string} base @param {string} producer @param {Record<string, unknown>} [params]
 * @param {{headers?: Record<string, string>, signal?: AbortSignal, stopWhenUnread?: number}} [options]
 *   stopWhenUnread: seconds after which the producer is stopped once the last reader has left, as when a tab is closed
 * @returns {Promise<Started>}
 */
export async function start(base, producer, params = {}, { headers = {}, signal, stopWhenUnread } = {}) {
  const url = absolute(`${base.replace(/\/$/, "")}/start`);
  const asked = JSON.stringify({ producer, params, stop_when_unread: stopWhenUnread });
  const response = await post(new URL(url), asked, headers, 10, signal);
  if (response.status !== 201) throw await refusedWithStatus(response, null);
  const fields = parseObject(await response.text());
  const links = Object.entries(/** @type {Record<string, string>} */ (fields.links));
  return {
    sessionId: textIn(fields, "session_id"),
    cursor: cursorIn(fields, "cursor"),
    links: Object.fromEntries(links.map(([lane, path]) => [lane, new URL(path, url).href])),
  };
}
