/** What has been seen of a lane's network, and of what it did to the lane: all that the words are made of. */

/** s over which the pace is taken, and in which the worst latency counts. */
const RECENT_MS = 4_000;
/** ms in which a lane may show that it has noticed a cut. */
const NOTICE_MS = 700;

/** @typedef {import("./api.js").Wire} Wire */
/** @typedef {import("./reading.js").Reading} Reading */
/** @typedef {{ at: number, requests: number, events: number }} Sample */

export class Circumstances {
  network = { delay: 0, jitter: 0, bandwidth: /** @type {number | null} */ (null), buffering: false };
  /** When it was given this shape. */
  changed = -Infinity;
  stalled = 0;
  /** @type {import("./words.js").Stall | null} */
  stall = null;
  /** @type {{ at: number, after: number, noticed: boolean } | null} */
  cut = null;
  up = 0;
  down = 0;
  connections = 0;
  /** When the stall began that is on or was, and the last event before it. */
  #stalled = { at: 0, after: 0 };
  /**
   * Whether the lane began on a connection that was kept open from the run before; null until that shows.
   * @type {boolean | null}
   */
  #kept = null;
  /** @type {Wire | null} */
  #begin = null;
  /** @type {Wire | null} */
  #before = null;
  /** @type {Sample[]} */
  #samples = [];

  /** A new run: what the relay counts beyond *wire* is its. @param {Wire | null} wire */
  begin(wire) {
    this.#begin = wire;
    this.stall = null;
    this.cut = null;
    this.#kept = null;
    this.#samples = [];
  }

  /**
   * @param {Wire} wire what the relay says @param {Reading | null} reading @param {number} now
   * @param {number} due the last event that is known to have been due
   */
  take(wire, reading, now, due) {
    this.#begin ??= wire;
    if (JSON.stringify(wire.network) !== JSON.stringify(this.network)) this.changed = now;
    this.network = wire.network;
    this.up = wire.up - this.#begin.up;
    this.down = wire.down - this.#begin.down;
    const made = wire.connections - this.#begin.connections;
    if (reading?.phase === "open") this.#kept ??= made === 0;
    this.connections = made + (this.#kept ? 1 : 0);
    if (reading !== null) this.#follow(wire, reading, now, due);
    this.stalled = wire.stalled;
    this.#before = wire;
  }

  /** @param {Wire} wire @param {Reading} reading @param {number} now @param {number} due */
  #follow(wire, reading, now, due) {
    if (wire.stalled > 0 && this.stalled === 0) this.#stalled = { at: now, after: reading.last };
    if (wire.stalled === 0 && this.stalled > 0)
      this.stall = { at: now, began: this.#stalled.at, after: this.#stalled.after, upTo: Math.max(due, reading.last) };
    if (this.#before !== null && wire.cut > this.#before.cut)
      this.cut = { at: now, after: reading.last, noticed: false };
    const outage = reading.outage;
    if (this.cut !== null && outage !== null && Math.abs(outage.at - this.cut.at) < NOTICE_MS) this.cut.noticed = true;
    this.#samples.push({ at: now, requests: reading.requests, events: reading.events });
    while (this.#samples.length > 2 && now - this.#samples[0].at > RECENT_MS) this.#samples.shift();
  }

  /** Per second, lately. */
  get pace() {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at === first.at) return { requests: 0, events: 0 };
    const elapsed = (last.at - first.at) / 1000;
    return { requests: (last.requests - first.requests) / elapsed, events: (last.events - first.events) / elapsed };
  }

  /**
   * @param {Reading} reading @param {number} now @param {import("./dues.js").Dues} dues
   * @param {import("./clock.js").Clock} clock @param {boolean} restarted
   * @returns {import("./words.js").Situation}
   */
  situation(reading, now, dues, clock, restarted) {
    const there = clock.there(now);
    const due = dues.of(reading.last + 1);
    return {
      reading,
      now,
      restarted,
      network: this.network,
      changed: this.changed,
      stalled: this.stalled,
      stall: this.stall,
      cut: this.cut,
      pace: this.pace,
      behind: due < there ? there - due : 0,
      catching: due < reading.joined ? dues.last - reading.last : 0,
      worst: reading.latencies.worst(there - RECENT_MS),
    };
  }
}
