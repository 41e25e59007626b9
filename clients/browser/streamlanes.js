/**
 * Streams of a streamlanes server, in a browser: one module, without dependencies.
 *
 *     import { connect, start } from "/streamlanes.js";
 *
 *     const { links } = await start("", "tokens", { rate: 20 });
 *     for await (const event of connect(links)) console.log(event.id, event.data);
 *
 * It reads the wires of docs/wire.md by `fetch` and `WebSocket`, reconnects, resumes at its cursor, and tells of gaps.
 * All times are in seconds, but for `event.at`. The server sends it and the modules that it imports as one.
 */

import { whole } from "./bodies.js";
import { ProtocolViolation } from "./errors.js";
import { absolute, lanesOf } from "./lanes.js";
import { cursorIn, objectIn, parseObject, textIn } from "./messages.js";
import { refusedWithStatus } from "./refusals.js";
import { post } from "./requests.js";
import { EventStream } from "./stream.js";

export {
  ConnectionLost, CursorExpired, InboxFull, MessageRefused, ProtocolViolation, Refused, RequestRejected, StreamEnded,
  StreamError, StreamFailed, StreamLost, StreamOrphaned, UnknownStream,
} from "./errors.js";
export { StreamEvent } from "./messages.js";
export { EventStream } from "./stream.js";

/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./options.js").Status} Status */

/**
 * @typedef {object} Started
 * @property {string} sessionId whoever has it may read the stream, send to it and delete it
 * @property {string} cursor before the first event
 * @property {Record<string, string>} links the stream's URL on each lane
 */

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
  const [text] = await whole(response, { signal: signal ?? new AbortController().signal }, MAX_STARTED);
  const fields = parseObject(text);
  const links = Object.entries(objectIn(fields, "links"));
  return {
    sessionId: textIn(fields, "session_id"),
    cursor: cursorIn(fields, "cursor"),
    links: Object.fromEntries(links.map(([lane, path]) => [lane, linkTo(path, url)])),
  };
}

const MAX_STARTED = 64 * 1024;

/** @param {unknown} path @param {string} base @returns {string} */
function linkTo(path, base) {
  if (typeof path === "string" && URL.canParse(path, base)) return new URL(path, base).href;
  throw new ProtocolViolation(`the answer has a link that is none: ${path}`);
}
