/** The way up: a frame of the WebSocket that is open, or a request. */

import { ConnectionLost, InboxFull, StreamEnded } from "./errors.js";
import { refusedWithStatus } from "./refusals.js";
import { post } from "./requests.js";

const MAX_UNSENT = 1024 * 1024; // bytes

/**
 * Throws ConnectionLost where there is no connection, and InboxFull.
 *
 * @param {WebSocket | null | undefined} socket @param {string} text
 */
export function sendFrame(socket, text) {
  if (socket?.readyState !== WebSocket.OPEN) {
    throw new ConnectionLost("there is no connection just now; reading the stream makes a new one");
  }
  if (socket.bufferedAmount > MAX_UNSENT) throw new InboxFull("what was sent before is still on its way");
  socket.send(text);
}

/**
 * Posts *text* to the stream that is read at *link*. Throws what `EventStream.send` does.
 *
 * @param {string} link @param {string} text @param {Record<string, string>} headers
 * @param {number} timeout @param {AbortSignal} signal
 */
export async function sendRequest(link, text, headers, timeout, signal) {
  const url = new URL(link);
  const path = /^(.*)\/[^/]+\/([^/]+)$/.exec(url.pathname);
  if (!path) throw new TypeError(`${url.pathname} isn't a stream's path, which ends with LANE/ID`);
  url.pathname = `${path[1]}/send/${path[2]}`;
  const response = await post(url, text, headers, timeout, signal);
  if (response.status === 202) return;
  const error = await refusedWithStatus(response, null);
  if (response.status === 409) throw new StreamEnded(error.message);
  if (response.status === 429) throw new InboxFull(error.message);
  throw error;
}
