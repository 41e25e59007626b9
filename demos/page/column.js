/** A lane on the page: what it has brought, what happened to it, how late it is, and its counts. */

import { Circumstances } from "./circumstances.js";
import { hex } from "./digest.js";
import { bytes, count, milliseconds } from "./format.js";
import { Plot } from "./plot.js";
import { Reading } from "./reading.js";
import { Tape } from "./tape.js";
import { tell } from "./words.js";

/** @type {Record<string, string>} */
const WIRES = {
  sse: "Server-sent events",
  websocket: "WebSocket",
  "long-poll": "Long poll",
  ndjson: "Lines of JSON",
};
/** The ways that others are compared with, by the lane's name. @type {Record<string, string>} */
const BASELINES = {
  "sse-usual": "SSE as most services write it",
  "sse-fastapi": "FastAPI’s own SSE",
  "ws-usual": "WebSocket as most write it",
  "poll-single": "Long poll, one event each",
};
/** @type {Record<import("./words.js").Remedy, string>} */
const REMEDIES = {
  again: "Start again",
  resume: "Try again",
  skip: "Go on behind them",
  restart: "Restart the server",
};
/** @type {Record<import("./reading.js").Phase, string>} */
const PHASES = {
  connecting: "connecting",
  open: "open",
  waiting: "reconnecting",
  ended: "complete",
  failed: "stopped",
};
const MARKS = 40;

/**
 * What its buttons do.
 * @typedef {object} Acts
 * @property {(remedy: import("./words.js").Remedy, column: Column) => void} remedy
 * @property {(lane: string, fault: "cut" | "stall") => void} fault
 * @property {(lane: string, on: boolean) => void} buffering
 */

export class Column {
  /** @type {Reading | null} */
  reading = null;
  circumstances = new Circumstances();
  /** @type {import("./words.js").Told} */
  told = { text: "", tone: "calm", news: false };
  /** @type {import("./plot.js").Mark[]} performance.now() */
  #marks = [];
  /** @type {Map<string, HTMLElement>} */
  #parts = new Map();
  #ended = 0;

  /**
   * @param {import("./api.js").Lane} lane @param {number} colour 1 to 8 @param {HTMLTemplateElement} template
   * @param {Acts} acts
   */
  constructor(lane, colour, template, acts) {
    this.lane = lane;
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.place = /** @type {HTMLElement} */ (copy.firstElementChild);
    this.place.classList.add(`lane-${colour}`);
    this.place.dataset.lane = lane.name;
    for (const part of this.place.querySelectorAll("[data-part]")) {
      const element = /** @type {HTMLElement} */ (part);
      this.#parts.set(String(element.dataset.part), element);
    }
    this.#write("name", lane.name);
    this.#write("wire", BASELINES[lane.name] ?? WIRES[lane.wire] ?? lane.wire);
    this.place.setAttribute("aria-label", `Lane ${lane.name}`);
    this.#part("tape").setAttribute("aria-label", `What came over ${lane.name}`);
    this.#part("plot").setAttribute("aria-label", `How late each event came over ${lane.name}, in the last 30 seconds`);
    for (const label of this.place.querySelectorAll(".lane-name")) label.textContent = ` on ${lane.name}`;
    this.tape = new Tape(this.#part("text"));
    this.plot = new Plot(/** @type {HTMLCanvasElement} */ (this.#part("plot")));
    this.#part("cut").addEventListener("click", () => acts.fault(lane.name, "cut"));
    this.#part("stall").addEventListener("click", () => acts.fault(lane.name, "stall"));
    const buffering = /** @type {HTMLInputElement} */ (this.#part("buffering"));
    buffering.addEventListener("change", () => acts.buffering(lane.name, buffering.checked));
    this.#part("remedy").addEventListener("click", () => {
      if (this.told.remedy !== undefined) acts.remedy(this.told.remedy, this);
    });
  }

  /**
   * Read a new run from its beginning.
   * @param {string} url @param {import("./api.js").Wire | null} wire what the relay says before
   */
  begin(url, wire) {
    this.reading?.stop();
    this.circumstances.begin(wire);
    this.#marks = [];
    this.#ended = 0;
    this.tape.clear();
    this.reading = new Reading(
      this.lane,
      url,
      (event) => this.tape.event(event),
      (outage) => this.#resumed(outage),
    );
    this.place.dataset.phase = this.reading.phase; // at once: what is shown of the run before is over
    void this.reading.read();
    this.#counts(this.reading);
  }

  leave() {
    this.reading?.stop();
    this.place.remove();
  }

  /** @param {import("./reading.js").Outage} outage */
  #resumed(outage) {
    this.tape.seam(`resumed after ${count(outage.after)}`);
    this.#mark({ at: /** @type {number} */ (outage.back), kind: "resumed" });
  }

  /** @param {import("./plot.js").Mark} mark */
  #mark(mark) {
    this.#marks.push(mark);
    if (this.#marks.length > MARKS) this.#marks.shift();
  }

  /**
   * What the relay says.
   * @param {import("./api.js").Wire} wire @param {number} now @param {number} due the last event known to have been due
   */
  take(wire, now, due) {
    const before = this.circumstances.cut?.at;
    this.circumstances.take(wire, this.reading, now, due);
    const cut = this.circumstances.cut;
    if (cut !== null && cut.at !== before) this.#mark({ at: cut.at, kind: "cut" });
  }

  /**
   * Bring all but the tape up to date.
   * @param {number} now @param {import("./dues.js").Dues} dues @param {import("./clock.js").Clock} clock
   * @param {boolean} restarted
   */
  show(now, dues, clock, restarted) {
    const { reading, circumstances } = this;
    if (reading === null) return;
    reading.count();
    reading.measure(dues, clock);
    this.told = tell(circumstances.situation(reading, now, dues, clock, restarted));
    this.#write("told", this.told.text);
    this.#part("words").dataset.tone = this.told.tone;
    const remedy = this.#part("remedy");
    remedy.hidden = this.told.remedy === undefined;
    if (this.told.remedy !== undefined) this.#write("remedy", REMEDIES[this.told.remedy]);
    this.#write("phase", reading.outcome === "deleted" ? "stopped" : PHASES[reading.phase]);
    this.place.dataset.phase = reading.phase;
    this.#counts(reading);
    const buffering = /** @type {HTMLInputElement} */ (this.#part("buffering"));
    if (document.activeElement !== buffering) buffering.checked = circumstances.network.buffering;
    this.#write("path", path(circumstances.network));
    this.#draw(now, reading, dues, clock);
  }

  /** @param {Reading} reading */
  #counts(reading) {
    const [p50, p99] = reading.latencies.quantiles([0.5, 0.99]);
    const { circumstances } = this;
    this.#write("events", count(reading.events));
    this.#write("p50", milliseconds(p50));
    this.#write("p99", milliseconds(p99));
    this.#write("first", milliseconds(reading.firstAfter));
    this.#write("requests", count(reading.requests));
    this.#write("connections", count(circumstances.connections));
    this.#write("up", bytes(circumstances.up));
    this.#write("down", bytes(circumstances.down));
    this.#write("reconnects", count(reading.reconnects));
    this.#write("lost", count(reading.lost));
    this.#write("repeated", count(reading.repeated));
  }

  /**
   * @param {number} now @param {Reading} reading @param {import("./dues.js").Dues} dues
   * @param {import("./clock.js").Clock} clock
   */
  #draw(now, reading, dues, clock) {
    if (!Number.isFinite(clock.offset)) return;
    const over = reading.phase === "ended" || reading.phase === "failed";
    if (!over) this.#ended = 0;
    else if (this.#ended === 0) this.#ended = now;
    const edge = clock.there(over ? this.#ended : now);
    const marks = this.#marks.map(({ at, kind }) => ({ at: clock.there(at), kind }));
    this.plot.draw(edge, reading.latencies, marks, reading.last, over ? null : dues);
  }

  /**
   * Show a digest, and whether it is that of the other lanes.
   * @param {"equal" | "different" | "alone"} verdict @param {string} words
   * @param {number | null} digest null: of all that came
   */
  judge(verdict, words, digest = null) {
    this.#part("digest").dataset.verdict = verdict;
    this.#write("digest", hex(digest ?? this.reading?.digest.value ?? 0));
    this.#write("verdict", words);
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#parts.get(name));
  }

  /** @param {string} name @param {string} text */
  #write(name, text) {
    const part = this.#part(name);
    if (part.textContent !== text) part.textContent = text;
  }
}

/** @param {import("./api.js").Network} network */
function path({ delay, jitter, bandwidth }) {
  const parts = [];
  if (delay > 0 || jitter > 0)
    parts.push(`${milliseconds(delay * 1000)}${jitter > 0 ? ` ± ${milliseconds(jitter * 1000)}` : ""} each way`);
  if (bandwidth !== null) parts.push(`${bytes(bandwidth)}/s`);
  return parts.join(", ");
}
