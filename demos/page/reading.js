/** One lane's reading of one run: what came, when, and what became of the connection. Touches no page. */

import { connect } from "/streamlanes.js";
import { Digest } from "./digest.js";
import { REMEMBERED } from "./dues.js";
import { Latencies } from "./latency.js";

/** @typedef {{ name: string, wire: string }} Lane */
/** @typedef {"connecting" | "open" | "waiting" | "ended" | "failed"} Phase */
/** @typedef {import("/streamlanes.js").StreamEvent} StreamEvent */
/**
 * A connection that was lost, and what came of it: `after` is the last event before, `attempts` is the client's number
 * of the next one, which counts the lost connection too, times are performance.now().
 */
/** @typedef {{ at: number, after: number, reason: string, attempts: number, back: number | null }} Outage */

export class Reading {
  /** @type {Phase} */
  phase = "connecting";
  events = 0;
  first = 0;
  last = 0;
  lost = 0;
  repeated = 0;
  /** ms from connecting to the first event. */
  firstAfter = NaN;
  digest = new Digest();
  latencies = new Latencies();
  /** @type {Outage | null} */
  outage = null;
  /** When the next attempt is made, while waiting. */
  nextAttempt = 0;
  /** What ended it, if it failed. @type {unknown} */
  error = null;
  /** @type {string | null} */
  outcome = null;
  reconnects = 0;
  requests = 0;

  #begun = performance.now();
  #received = new Float64Array(REMEMBERED);
  #digests = new Uint32Array(REMEMBERED);
  /** When it began to read, by the server's clock; NaN until that is known. */
  joined = NaN;
  #measured = 0;
  #stop = new AbortController();
  /** @type {import("/streamlanes.js").EventStream | null} */
  #stream = null;
  #earlier = { reconnects: 0, requests: 0 };

  /**
   * @param {Lane} lane
   * @param {string} url
   * @param {(event: StreamEvent) => void} show each event, in order
   * @param {(outage: Outage) => void} resumed connected again after an outage
   */
  constructor(lane, url, show, resumed) {
    this.lane = lane;
    this.url = url;
    this.show = show;
    this.resumed = resumed;
  }

  /**
   * Read until the stream ends, fails, or `stop`; after a failure, read on. *skip*: from the oldest event that the
   * server still has, behind those that are missing. Not from the place that CursorExpired names: on a fast stream that
   * is gone by then.
   */
  async read({ skip = false } = {}) {
    const { name, wire } = this.lane;
    this.outage = null;
    if (this.#stream !== null) this.#earlier = { reconnects: this.reconnects + 1, requests: this.requests };
    const after = skip ? "start" : (this.#stream?.cursor ?? "start");
    this.phase = "connecting";
    this.error = null;
    const stream = connect(
      { [name]: this.url },
      {
        lane: name,
        wires: { [name]: wire },
        after,
        signal: this.#stop.signal,
        onStatus: (status) => this.follow(status),
      },
    );
    this.#stream = stream;
    try {
      for await (const event of stream) this.#take(event);
      this.outcome = stream.outcome;
      this.phase = "ended";
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.error = error;
      this.phase = "failed";
    } finally {
      this.count();
    }
  }

  /** Leave the stream. */
  stop() {
    this.#stop.abort();
  }

  /** Bring `requests` and `reconnects` up to date. */
  count() {
    if (this.#stream === null) return;
    this.requests = this.#earlier.requests + this.#stream.requests;
    this.reconnects = this.#earlier.reconnects + this.#stream.reconnects;
  }

  /** Send *value* to the producer. Raises what the client does. @param {unknown} value */
  async send(value) {
    await this.#stream?.send(value);
  }

  /**
   * The digest after the event *offset*; null if it hasn't come, is no longer kept, or some before it are missing.
   * @param {number} offset
   */
  digestAfter(offset) {
    const held = offset >= this.first && offset <= this.last && offset > this.last - REMEMBERED;
    return held && this.whole ? this.#digests[offset % REMEMBERED] : null;
  }

  /** Whether it has every event from the stream's first one on. */
  get whole() {
    return this.first <= 1 && this.lost === 0 && this.repeated === 0;
  }

  /**
   * Reckon how late the events were whose due times have become known. Those due before the lane had come in are left
   * out.
   * @param {import("./dues.js").Dues} dues
   * @param {import("./clock.js").Clock} clock
   */
  measure(dues, clock) {
    if (!Number.isFinite(clock.offset)) return;
    if (Number.isNaN(this.joined)) this.joined = clock.there(this.#begun);
    const upTo = Math.min(this.last, dues.last);
    this.#measured = Math.max(this.#measured, this.last - REMEMBERED, this.first - 1);
    while (this.#measured < upTo) {
      const offset = ++this.#measured;
      const due = dues.of(offset);
      if (due >= this.joined) this.latencies.add(due, clock.there(this.#received[offset % REMEMBERED]) - due);
    }
  }

  /** @param {StreamEvent} event */
  #take(event) {
    const offset = event.offset;
    if (this.first === 0) {
      this.first = offset;
      this.firstAfter = event.at - this.#begun;
    } else if (offset > this.last + 1) {
      this.lost += offset - this.last - 1;
    } else if (offset <= this.last) {
      this.repeated++;
      return;
    }
    this.events++;
    this.last = offset;
    this.digest.add(event.id, event.raw);
    this.#received[offset % REMEMBERED] = event.at;
    this.#digests[offset % REMEMBERED] = this.digest.value;
    this.show(event);
  }

  /** The connection is there again, be there something to bring over it or not. @param {number} at */
  #back(at) {
    if (this.outage === null || this.outage.back !== null) return;
    this.outage.back = at;
    this.resumed(this.outage);
  }

  /** What the client says of itself. @param {import("/streamlanes.js").Status} status */
  follow(status) {
    const now = performance.now();
    if (status.state === "waiting") {
      if (this.outage === null || this.outage.back !== null) {
        this.outage = { at: now, after: this.last, reason: status.reason, attempts: 0, back: null };
      }
      this.outage.reason = status.reason;
      this.outage.attempts = status.attempt;
      this.nextAttempt = now + (status.delay ?? 0) * 1000;
      this.phase = "waiting";
    } else if (status.state === "connecting" || status.state === "open") {
      this.phase = status.state;
      if (status.state === "open") this.#back(now);
    }
  }
}
