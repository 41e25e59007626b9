/**
 * What tests call in the page: streams that are read as they are told to, and values that can go to Python.
 */
import { connect, EventStream, start, StreamError } from "/streamlanes.js";

/** @typedef {import("/streamlanes.js").Options & {told?: boolean}} Options */

/** @type {Map<number, Reading>} */
const readings = new Map();

class Reading {
  /** @type {import("/streamlanes.js").Status[]} */
  statuses = [];
  /** @type {string[]} */
  told = [];
  /** @type {(() => void)[]} */
  waiting = [];
  /** @type {ReturnType<EventStream["next"]> | null} */
  next = null;

  /** @param {Record<string, string> | string} links @param {Options} options */
  constructor(links, { told = false, ...options }) {
    this.stream = connect(links, {
      random: () => 0.5,
      onStatus: (status) => {
        this.statuses.push(status);
        for (const wake of this.waiting.splice(0)) wake();
      },
      ...(told ? { onGap: (gap) => void this.told.push(`${gap.after} ${gap.oldest} ${gap.missing}`) } : {}),
      ...options,
    });
  }

  /** Asks for the next event, but once. */
  ask() {
    if (!this.next) {
      this.next = this.stream.next();
      this.next.catch(() => {});
    }
    return this.next;
  }

  /** @param {number} count */
  async take(count) {
    const events = [];
    let error = null;
    try {
      while (events.length < count) {
        const { done, value } = await this.ask();
        this.next = null;
        if (done) break;
        events.push([value.offset, value.type, value.raw]);
      }
    } catch (caught) {
      this.next = null;
      error = described(caught);
    }
    return { events, error, ...this.state() };
  }

  state() {
    const { cursor, outcome, lane, reconnects, requests, gaps } = this.stream;
    return {
      ...{ cursor, outcome, lane, reconnects, requests },
      told: this.told,
      gaps: gaps.map(described),
      statuses: this.statuses.map(({ error, ...status }) => status),
    };
  }
}

/** @param {any} error */
function described(error) {
  if (!(error instanceof Error)) return { name: "not an Error", message: String(error) };
  return { ...error, name: error.name, message: error.message, ours: error instanceof StreamError };
}

let readers = 0;

const driver = {
  start,

  /** Returns what `start` throws. @param {string} base @param {string} producer */
  attempt: (base, producer) => start(base, producer).catch(described),

  /** Reads a stream to its end. @param {Record<string, string> | string} links @param {Options} options */
  async read(links, options) {
    return new Reading(links, options).take(Infinity);
  },

  /**
   * Opens a stream, and returns when it is open, or has another state, or couldn't be opened.
   *
   * @param {Record<string, string> | string} links @param {Options} options @param {string} [state]
   */
  async open(links, options, state = "open") {
    const reading = new Reading(links, options);
    const opened = driver.reached(reading, state);
    let error = null;
    await Promise.race([opened, reading.ask()]).catch((caught) => (error = described(caught)));
    readings.set(++readers, reading);
    return { reader: readers, events: [], error, ...reading.state() };
  },

  /** @param {number} reader @param {number | null} count */
  take: (reader, count) => driver.of(reader).take(count ?? Infinity),

  /** @param {number} reader */
  state: (reader) => driver.of(reader).state(),

  /** @param {number} reader @param {unknown} value */
  async send(reader, value) {
    try {
      await driver.of(reader).stream.send(value);
    } catch (error) {
      return described(error);
    }
    return null;
  },

  /** @param {number} reader */
  close(reader) {
    driver.of(reader).stream.close();
    readings.delete(reader);
  },

  /** @param {number} reader */
  of: (reader) => /** @type {Reading} */ (readings.get(reader)),

  /**
   * Returns when the status has been this.
   *
   * @param {Reading} reading @param {string} state
   */
  async reached(reading, state) {
    while (!reading.statuses.some((status) => status.state === state)) {
      await new Promise((resolve) => reading.waiting.push(() => resolve(undefined)));
    }
  },
};

Object.assign(globalThis, { driver });
