/** One connection each: what the wires have in common, and the wires. */

import { body, whole } from "./bodies.js";
import { EventStreamDecoder, Lines, decodeMessage, decodePoll } from "./decoding.js";
import { ConnectionLost, ProtocolViolation } from "./errors.js";
import { parseCursor } from "./messages.js";
import { refusedWithCode } from "./refusals.js";
import { bearer, cursorOf, get, streamURL } from "./requests.js";

/** @typedef {import("./lanes.js").Lane} Lane */
/** @typedef {import("./lanes.js").Wire} Wire */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").StreamEvent} StreamEvent */

/** One connection: what it is to bring, and what has become of it. */
export class Connection {
  /** @type {WebSocket | null} open, for what goes up */
  socket = null;
  /** Whether the server has answered at all; a browser can't tell for a WebSocket before it is open. */
  answered = false;
  opened = false;
  began = performance.now();
  #controller = new AbortController();

  /**
   * @param {Lane} lane @param {string} after
   * @param {{headers: Record<string, string>, longest: number, reader: string}} reading what they have in common;
   *   longest: characters that an event may have; reader: a name, by which no two readers' polls are identical, since
   *   browsers and caches let those wait for one another
   * @param {() => void} requested told of every request
   */
  constructor(lane, after, { headers, longest, reader }, requested) {
    this.lane = lane;
    this.after = after;
    this.headers = headers;
    this.longest = longest;
    this.reader = reader;
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
export const WIRES = {
  sse: async function* (connection) {
    const decoder = new EventStreamDecoder(connection.longest);
    const response = await get(connection, streamURL(connection), "text/event-stream");
    for await (const [text, at] of body(response, connection)) {
      yield decoder.feed(text, at);
    }
  },

  ndjson: async function* (connection) {
    const lines = new Lines("\n", connection.longest);
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
      const limit = searchParams.get("limit") ?? "256";
      const url = streamURL(connection, { after, wait: String(waiting), limit, reader: connection.reader });
      const response = await get(connection, url, "application/json");
      const [text, at] = await whole(response, connection, MAX_ANSWER + connection.longest);
      const { events, cursor, outcome } = decodePoll(text, at);
      if (waiting && !events.length && cursor !== after) {
        throw new ProtocolViolation(`an answer without events goes on from ${after} to ${cursor}`);
      }
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
        if (data.length > connection.longest) {
          over = new ProtocolViolation(`a message has more than ${connection.longest} characters`);
        }
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

const TOO_LONG = '{"control":"refused","reason":"it was longer than the server takes any"}';
const MAX_ANSWER = 8 * 1024 * 1024; // characters of a poll's answer, besides its last event
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
