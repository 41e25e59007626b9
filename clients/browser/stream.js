/** The stream: its events in order, over as many connections as it takes. */

import { Connection } from "./connections.js";
import {
  ConnectionLost, CursorExpired, MessageRefused, ProtocolViolation, Refused, StreamEnded, StreamError, StreamFailed,
  StreamLost, StreamOrphaned,
} from "./errors.js";
import { Route } from "./lanes.js";
import { CURSOR, parseCursor } from "./messages.js";
import { withDefaults } from "./options.js";
import { sendFrame, sendRequest } from "./sending.js";

/** @typedef {import("./lanes.js").Lane} Lane */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Outcome} Outcome */
/** @typedef {import("./messages.js").StreamEvent} StreamEvent */
/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./options.js").Status} Status */

const GAPS_REMEMBERED = 1000;

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
  #reader = crypto.getRandomValues(new Uint32Array(2)).join("-"); // randomUUID is for https only
  /** @type {string | null} why an earlier message wasn't taken */
  #refusal = null;

  /** @param {Lane[]} lanes @param {Options} options */
  constructor(lanes, options) {
    this.#route = new Route(lanes);
    this.#options = withDefaults(options);
    const { after, signal } = this.#options;
    if (CURSOR.test(after)) this.#position = parseCursor(after);
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
        const { epoch, offset } = parseCursor(next);
        if (epoch === this.#position.epoch && offset <= this.#position.offset) {
          throw new ProtocolViolation(`a gap was told that begins after ${after} and ends at ${next}`);
        }
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
    const { after, headers, maxEventLength, openTimeout } = this.#options;
    this.#limit = this.#route.limit(openTimeout);
    this.#tell("connecting", { reason: `connects by ${lane.name}` });
    if (this.#life.signal.aborted) return;
    const place = this.#refused ? "start" : (this.cursor ?? after);
    const reading = { headers, longest: maxEventLength, reader: this.#reader };
    this.#connection = new Connection(lane, place, reading, () => this.#requests++);
  }

  /** @param {Connection} connection @param {ConnectionLost} lost @param {boolean} silent */
  async #backOff(connection, lost, silent) {
    this.#failures++;
    const { attempts, firstDelay, maxDelay, maxPatience, random } = this.#options;
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
    const delay = (lost instanceof Refused ? Math.min(lost.retryAfter, maxPatience) : 0) + random() * bound;
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
    sendFrame(this.#connection?.socket, text);
  }

  /** @param {string} text */
  #post(text) {
    this.#requests++;
    const { openTimeout, headers } = this.#options;
    return sendRequest(this.#route.lane.url, text, headers, openTimeout, this.#life.signal);
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
