/** What goes wrong, as types: who is at fault, and what to do next. */

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
