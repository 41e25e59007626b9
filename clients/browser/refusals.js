/** Refusals, in HTTP statuses and close codes. */

import { beginning } from "./bodies.js";
import { ConnectionLost, CursorExpired, ProtocolViolation, Refused, RequestRejected, UnknownStream } from "./errors.js";
import { countIn, cursorIn, parseObject } from "./messages.js";

/** @typedef {import("./messages.js").Fields} Fields */

const MAX_PATIENCE = 3600;
/** Statuses below 500 that are about the connection, not the request: it took too long, or came too early. */
const PASSING = new Set([408, 425]);

/**
 * Returns the error that a response stands for, to a request for the stream after the cursor *after* (null: none was
 * asked for).
 *
 * @param {Response} response @param {string | null} after
 */
export async function refusedWithStatus(response, after) {
  if (response.type === "opaqueredirect") {
    return new RequestRejected("the server redirects; use the address that it redirects to", 0);
  }
  /** @type {Fields} */
  let problem = {};
  try {
    problem = parseObject(await beginning(response));
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error; // a page of some proxy's; the status says enough
  }
  const { status } = response;
  const message = reasons(status, response.statusText, problem);
  if (status === 429 || status === 503) {
    return new Refused(message, status, secondsUntil(response.headers.get("Retry-After")));
  }
  if (status >= 500 || PASSING.has(status)) return new ConnectionLost(message);
  if (status === 404) return new UnknownStream(message);
  if (status === 410) return expired(after, problem);
  if (status === 421) {
    const advice = "ask under another name, or let the server go by this one (STREAMLANES_ALLOWED_HOSTS)";
    return new RequestRejected(`${message}; ${advice}`, status);
  }
  if (status >= 400) return new RequestRejected(message, status);
  return new ProtocolViolation(`${message}: not the answer of a stream`);
}

/** @param {number} status @param {string} phrase @param {Fields} problem */
function reasons(status, phrase, problem) {
  const detail = problem.detail || problem.title;
  const summary = typeof detail === "string" ? detail : `the server answered ${status} ${phrase}`.trimEnd();
  const errors = Array.isArray(problem.errors) ? problem.errors : [];
  const more = errors.filter((error) => !summary.includes(String(error?.message)));
  return [summary, ...more.map((error) => `${error?.field}: ${error?.message}`)].join("; ");
}

/** @param {number} code @param {string} reason @param {string | null} after */
export function refusedWithCode(code, reason, after) {
  if (code === 4404) return new UnknownStream(reason || "there is no such stream here; start a new one");
  if (code === 4410) return expired(after, parseObject(reason));
  // 4408, too slow, passes: the reader may well keep up next time.
  if (code >= 4400 && code < 4500 && code !== 4408) {
    return new RequestRejected(reason || `the server closed the connection with ${code}`, code);
  }
  return new ConnectionLost(`the server closed the connection with ${code}${reason ? ` (${reason})` : ""}`);
}

/** @param {string | null} after @param {Fields} problem */
function expired(after, problem) {
  if (after === null) return new ProtocolViolation("the server can't continue a cursor, but was given none");
  return new CursorExpired(after, {
    oldest: cursorIn(problem, "oldest"),
    head: cursorIn(problem, "head"),
    missing: countIn(problem, "missing"),
  });
}

/** Reads a Retry-After field, seconds or a date, up to an hour. @param {string | null} field */
function secondsUntil(field) {
  if (!field) return 0;
  const seconds = Number.isNaN(Number(field)) ? (Date.parse(field) - Date.now()) / 1000 : Number(field);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), MAX_PATIENCE) : 0;
}
