/**
 * The run that is on, the lanes that read it, and what telemetry says: one beat, every 250 ms, brings all of it up to
 * date.
 */

import * as api from "./api.js";
import { Clock } from "./clock.js";
import { Dues } from "./dues.js";

const BEAT_MS = 250;
/** Due times that come at once at most; behind as many there may be more. */
const FULL = 2_000;
/** ms from one attempt to the next when the demo itself doesn't answer. */
const UNREACHABLE_MS = 2_000;

/** @typedef {import("./column.js").Column} Column */

export class Show {
  /** @type {Map<string, Column>} by the lane's name, in the order of the page */
  columns = new Map();
  /** @type {api.Run | null} */
  run = null;
  /** @type {api.Telemetry | null} */
  telemetry = null;
  /** Whether the demo's own server answers. */
  reachable = true;
  /** Whether it is another one than the page came from: its lanes are elsewhere, and its counts begin anew. */
  replaced = false;
  clock = new Clock();
  dues = new Dues();
  boot = 1;

  /** @param {string} demo whose page it is @param {(now: number) => void} beaten called after each beat */
  constructor(demo, beaten) {
    this.demo = demo;
    this.beaten = beaten;
  }

  /**
   * Begin a new run on all lanes; what was on is stopped. Raises what `api.startRun` does, and then nothing has
   * changed.
   * @param {string} producer @param {Record<string, unknown>} params
   */
  async begin(producer, params) {
    const before = this.run;
    const run = await api.startRun(producer, params);
    this.run = run;
    this.boot = run.boot;
    this.dues = new Dues();
    for (const column of this.columns.values()) this.read(column);
    if (before !== null && before.boot === run.boot) await this.#end(before);
  }

  /** Stop the run; its lanes are told so by the server. */
  async stop() {
    if (this.run !== null) await api.endRun(this.run.session_id);
  }

  /** Have *column* read the run. @param {Column} column */
  read(column) {
    const url = this.run?.links[column.lane.name];
    if (url !== undefined) column.begin(url, this.telemetry?.lanes[column.lane.name] ?? null);
  }

  /** Whether some lane is still at it. */
  get running() {
    return [...this.columns.values()].some(
      ({ reading }) => reading !== null && reading.phase !== "ended" && reading.phase !== "failed",
    );
  }

  /** Whether every lane has brought the stream to its end. */
  get complete() {
    return [...this.columns.values()].every(({ reading }) => reading?.phase === "ended");
  }

  /** Beat until the page is left. */
  async beat() {
    for (;;) {
      const more = await this.ask();
      const now = performance.now();
      for (const column of this.columns.values()) {
        const wire = this.telemetry?.lanes[column.lane.name];
        if (wire !== undefined && this.reachable && !this.replaced) column.take(wire, now, this.dues.last);
        column.show(now, this.dues, this.clock, this.boot !== this.run?.boot);
      }
      this.beaten(now);
      if (!more) await new Promise((resolve) => setTimeout(resolve, this.reachable && !this.replaced ? BEAT_MS : UNREACHABLE_MS));
    }
  }

  /** Ask for telemetry; returns whether there is more to be had at once. */
  async ask() {
    const { dues } = this;
    const sent = performance.now();
    try {
      const telemetry = await api.telemetry(this.run?.epoch ?? "0", dues.last);
      this.replaced = telemetry.demo !== this.demo;
      this.reachable = true;
      if (this.replaced) return false;
      this.clock.sample(sent, performance.now(), telemetry.now_ms);
      this.telemetry = telemetry;
      this.boot = telemetry.boot;
      if (dues !== this.dues) return false; // of the run before
      if (telemetry.due.ms.length > 0) dues.take(telemetry.due.from, telemetry.due.ms);
      return telemetry.due.ms.length >= FULL;
    } catch (error) {
      if (!(error instanceof api.Unreachable) && !(error instanceof api.Problem)) throw error;
      this.reachable = false;
      return false;
    }
  }

  /** @param {api.Run} run */
  async #end(run) {
    try {
      await api.endRun(run.session_id);
    } catch (error) {
      // It is gone already, with the server that had it, or the demo is: either shows elsewhere.
      if (!(error instanceof api.Unreachable) && !(error instanceof api.Problem)) throw error;
    }
  }
}
