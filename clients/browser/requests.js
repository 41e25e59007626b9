/** HTTP as this client speaks it: requests, bodies as text, and the browser's errors as ours. */

import { translated } from "./bodies.js";
import { ConnectionLost, ProtocolViolation } from "./errors.js";
import { CURSOR } from "./messages.js";
import { refusedWithStatus } from "./refusals.js";

/** @typedef {import("./connections.js").Connection} Connection */

/** Cookies go where a WebSocket's would. @type {RequestInit} */
const FETCH = { cache: "no-store", credentials: "include", redirect: "manual" };

/** @param {Connection} connection @param {URL} url @param {string} type */
export async function get(connection, url, type) {
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

/**
 * @param {URL} url @param {string} body @param {Record<string, string>} headers
 * @param {number} timeout @param {AbortSignal} [signal]
 */
export async function post(url, body, headers, timeout, signal) {
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

/** @param {Connection} connection @param {Record<string, string>} query */
export function streamURL({ lane, after }, query = { after }) {
  const url = new URL(lane.url);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/** @param {URL} url @returns {string | null} the cursor that it asks for, if it does */
export function cursorOf(url) {
  const after = url.searchParams.get("after") ?? "";
  return CURSOR.test(after) ? after : null;
}

/** @param {Record<string, string>} headers @returns {string | null} the bearer token, if that is all there is */
export function bearer(headers) {
  const [[name, value] = ["", ""], ...others] = Object.entries(headers);
  const match = name.toLowerCase() === "authorization" && !others.length ? /^bearer +(\S+)$/i.exec(value) : null;
  return match?.[1] ?? null;
}
