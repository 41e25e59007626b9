/** Bodies of responses as text, within bounds, and the browser's errors as ours. */

import { ConnectionLost, ProtocolViolation, StreamError } from "./errors.js";

const MAX_PROBLEM = 64 * 1024;

/**
 * Yields the text of a body as it comes, and when it came.
 *
 * @param {Response} response @param {{signal: AbortSignal}} connection
 * @returns {AsyncGenerator<readonly [string, number]>}
 */
export async function* body(response, connection) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  // It drops a byte order mark at the start, which isn't part of an event stream.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (;;) {
    const { done, value } = await translated(connection, "the connection was cut", () => reader.read());
    if (done) return;
    const at = performance.now();
    yield [decodeUTF8(decoder, value, { stream: true }), at];
  }
}

/** @param {TextDecoder} decoder @param {AllowSharedBufferSource} bytes @param {TextDecodeOptions} [options] */
export function decodeUTF8(decoder, bytes, options) {
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
export async function translated({ signal }, message, ask) {
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof StreamError ? error : new ConnectionLost(message);
  }
}

/**
 * Returns a body that has at most *longest* characters, whole, and when its last bytes came.
 *
 * @param {Response} response @param {{signal: AbortSignal}} connection @param {number} longest
 * @returns {Promise<[string, number]>}
 */
export async function whole(response, connection, longest) {
  let text = "";
  let last = performance.now();
  for await (const [piece, at] of body(response, connection)) {
    text += piece;
    last = at;
    if (text.length > longest) throw new ProtocolViolation(`the answer has more than ${longest} characters`);
  }
  return [text, last];
}

/** Returns what a refusal says, or its beginning. @param {Response} response */
export async function beginning(response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (reader && text.length < MAX_PROBLEM) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  reader?.cancel().catch(() => {}); // whatever is left of it
  return text;
}
