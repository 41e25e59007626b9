/** What a reader may ask for, and what it gets if it doesn't. */

import { CURSOR } from "./messages.js";

/** @typedef {import("./errors.js").CursorExpired} CursorExpired */

/**
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
 * @property {number} [maxEventLength] characters that an event may have; a longer one throws ProtocolViolation: 16 Mi
 * @property {number} [maxPatience] seconds that a server's Retry-After is heeded for at most: 3600
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
 */

/** Returns *options* with a value for each. Throws TypeError. @param {Options} options */
export function withDefaults(options) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const all = {
    after: "start",
    headers: {},
    /** @type {NonNullable<Options["onGap"]>} */
    onGap: "throw",
    attempts: 12,
    firstDelay: 0.5,
    maxDelay: 20,
    openTimeout: 10,
    grace: 10,
    maxEventLength: 16 * 1024 * 1024,
    maxPatience: 3600,
    random: Math.random,
    .../** @type {Options} */ (Object.fromEntries(given)),
  };
  const { after, onGap, attempts, firstDelay, maxDelay, openTimeout, grace, maxEventLength, maxPatience } = all;
  if (!CURSOR.test(after) && after !== "start" && after !== "now") {
    throw new TypeError(`after is ${after}, not a cursor, start or now`);
  }
  if (!(attempts >= 1 && Math.min(firstDelay, maxDelay, openTimeout, grace) > 0)) {
    throw new TypeError("times must be positive, and there must be at least one attempt");
  }
  if (!(maxEventLength >= 1 && maxPatience >= 0)) {
    throw new TypeError("an event has at least a character, and patience isn't negative");
  }
  if (onGap !== "throw" && onGap !== "skip" && typeof onGap !== "function") {
    throw new TypeError(`onGap is ${onGap}, not throw, skip or a function`);
  }
  return all;
}
