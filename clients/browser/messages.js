/** What a connection says, whatever the wire: events and control messages, checked. */

import { ProtocolViolation } from "./errors.js";

/** One event of a stream. */
export class StreamEvent {
  /**
   * @param {string} id @param {number} offset @param {string} type @param {any} data @param {string} raw
   * @param {number} at
   */
  constructor(id, offset, type, data, raw, at) {
    /** EPOCH:OFFSET, a cursor. */
    this.id = id;
    /** Counts from 1 without holes. */
    this.offset = offset;
    this.type = type;
    /** The value. Numbers are doubles; `raw` has every digit. */
    this.data = data;
    /** The JSON text, exactly as on the wire. */
    this.raw = raw;
    /** `performance.now()` when the bytes that completed it came, before they were read. */
    this.at = at;
  }
}

/**
 * @typedef {"completed" | "failed" | "orphaned" | "deleted"} Outcome
 * @typedef {{control: "open", cursor: string, heartbeat: number}} Opened
 * @typedef {{control: "ping"}} Ping
 * @typedef {{control: "gap", after: string, next: string, missing: number | null}} Gap
 * @typedef {{control: "end", outcome: Outcome}} Ended
 * @typedef {{control: "refused", reason: string}} NotTaken
 * @typedef {StreamEvent | Opened | Ping | Gap | Ended | NotTaken} Message
 * @typedef {Record<string, unknown>} Fields
 */

export const CURSOR = /^([0-9a-z]{1,16}):(0|[1-9][0-9]{0,15})$/;
const TYPE = /^(?!error$|open$|stream-)[A-Za-z0-9_.-]{1,64}$/;
const MAX_SECONDS = 86_400;
const OUTCOMES = new Set(["completed", "failed", "orphaned", "deleted"]);

/** @param {string} text */
export const excerpt = (text) => (text.length > 80 ? `${JSON.stringify(text.slice(0, 80))}…` : JSON.stringify(text));

/** @param {string} text @returns {{epoch: string, offset: number}} */
export function parseCursor(text) {
  const match = CURSOR.exec(text);
  const offset = Number(match?.[2]);
  if (!match || !Number.isSafeInteger(offset)) throw new ProtocolViolation(`${excerpt(text)} isn't a cursor`);
  return { epoch: /** @type {string} */ (match[1]), offset };
}

/** @param {string} text @returns {any} */
function parseJSON(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProtocolViolation(`${excerpt(text)} isn't JSON (${error})`);
  }
}

/** @param {string} text @returns {Fields} */
export function parseObject(text) {
  const value = parseJSON(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolViolation(`${excerpt(text)} isn't a JSON object`);
  }
  return value;
}

/** @param {Fields} fields @param {string} name @returns {string} */
export function textIn(fields, name) {
  const value = fields[name];
  if (typeof value !== "string") throw new ProtocolViolation(`${name} is ${excerpt(String(value))}, not a string`);
  return value;
}

/** @param {Fields} fields @param {string} name @returns {Fields} */
export function objectIn(fields, name) {
  const value = fields[name];
  if (typeof value === "object" && value !== null) return /** @type {Fields} */ (value);
  throw new ProtocolViolation(`${name} is ${excerpt(String(value))}, not an object`);
}

/** @param {Fields} fields @param {string} name @returns {string} */
export function cursorIn(fields, name) {
  const text = textIn(fields, name);
  parseCursor(text);
  return text;
}

/** @param {Fields} fields @param {string} name @returns {number | null} */
export function countIn(fields, name) {
  const value = fields[name] ?? null;
  if (value === null || (typeof value === "number" && Number.isInteger(value) && value >= 0)) return value;
  throw new ProtocolViolation(`${name} is ${excerpt(String(value))}, not a number of events or null`);
}

/** @param {Fields} fields @returns {Outcome} */
export function outcomeIn(fields) {
  const name = textIn(fields, "outcome");
  if (!OUTCOMES.has(name)) throw new ProtocolViolation(`${excerpt(name)} isn't an outcome`);
  return /** @type {Outcome} */ (name);
}

/** @param {string} id @param {string} type @param {string} raw @param {number} at */
export function streamEvent(id, type, raw, at) {
  const { offset } = parseCursor(id);
  if (!TYPE.test(type)) throw new ProtocolViolation(`${excerpt(type)} can't be an event's type`);
  return new StreamEvent(id, offset, type, parseJSON(raw), raw, at);
}

/** @param {string} kind @param {Fields} fields @returns {Message} */
export function control(kind, fields) {
  switch (kind) {
    case "open": {
      const heartbeat = fields.heartbeat;
      if (typeof heartbeat !== "number" || !(heartbeat > 0 && heartbeat <= MAX_SECONDS)) {
        throw new ProtocolViolation(`heartbeat is ${excerpt(String(heartbeat))}, not seconds, at most a day`);
      }
      return { control: "open", cursor: cursorIn(fields, "cursor"), heartbeat };
    }
    case "ping":
      return { control: "ping" };
    case "gap":
      return {
        control: "gap",
        after: cursorIn(fields, "after"),
        next: cursorIn(fields, "next"),
        missing: countIn(fields, "missing"),
      };
    case "end":
      return { control: "end", outcome: outcomeIn(fields) };
    case "refused":
      return { control: "refused", reason: textIn(fields, "reason") };
    default:
      throw new ProtocolViolation(`${excerpt(kind)} isn't a control message`);
  }
}
