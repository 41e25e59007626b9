/** The choice of a lane, from the links that there are and from what was observed. */

import { WIRES } from "./connections.js";
import { Refused } from "./errors.js";
import { bearer } from "./requests.js";

/** @typedef {"sse" | "websocket" | "long-poll" | "ndjson"} Wire */
/** @typedef {import("./connections.js").Connection} Connection */
/** @typedef {import("./errors.js").ConnectionLost} ConnectionLost */
/** @typedef {import("./options.js").Options} Options */

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
export class Route {
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
export function lanesOf(links, { lane = "auto", wires = {}, headers = {} }) {
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
export function absolute(link) {
  const url = new URL(link, globalThis.document?.baseURI ?? globalThis.location.href);
  if (url.protocol.startsWith("ws")) url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  if (!url.protocol.startsWith("http")) throw new TypeError(`${link} isn't a server's URL`);
  url.hash = "";
  return url.href;
}
