/**
 * How late each event was, over the time at which it was due: the last 30 s, on the same scale on every lane. What
 * hasn't come yet is drawn where it is by now, so that a lane that hangs is seen to.
 */

import { WINDOW_S } from "./latency.js";

/** ms at the bottom and at the top; between them a decade is as high as any other. */
const FLOOR = 0.1;
const CEILING = 10_000;
const DECADES = Math.log10(CEILING / FLOOR);
const LABELS = ["10 s", "1 s", "100 ms", "10 ms", "1 ms"];
const LEFT = 46;
const BOTTOM = 16;
const TOP = 6;
const DOT = 2;
const AWAITED = 80;

/** @typedef {{ at: number, kind: "cut" | "resumed" }} Mark */

export class Plot {
  #width = 0;
  #height = 0;
  #taken = new Uint8Array(0);
  #colours = { lane: "", grid: "", text: "", alarm: "", font: "" };

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#theme());
  }

  #resize() {
    const ratio = devicePixelRatio;
    this.#width = this.canvas.clientWidth;
    this.#height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.#width * ratio);
    this.canvas.height = Math.round(this.#height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#taken = new Uint8Array(this.#width * this.#height);
    this.#theme();
  }

  #theme() {
    const style = getComputedStyle(this.canvas);
    this.#colours = {
      lane: style.color,
      grid: style.getPropertyValue("--grid").trim(),
      text: style.getPropertyValue("--muted").trim(),
      alarm: style.getPropertyValue("--alarm").trim(),
      font: `11px ${style.fontFamily}`,
    };
  }

  /**
   * @param {number} now the right edge: ms by the server's clock
   * @param {import("./latency.js").Latencies} latencies
   * @param {Mark[]} marks by the server's clock
   * @param {number} last the last event that came
   * @param {import("./dues.js").Dues | null} dues of what is still to come; null if nothing is
   */
  draw(now, latencies, marks, last, dues) {
    const { context } = this;
    if (this.#width === 0) return;
    context.clearRect(0, 0, this.#width, this.#height);
    this.#grid();
    const from = now - WINDOW_S * 1000;
    for (const mark of marks) {
      if (mark.at < from || mark.at > now) continue;
      context.fillStyle = mark.kind === "cut" ? this.#colours.alarm : this.#colours.text;
      context.fillRect(this.#x(mark.at, from), TOP, 1, this.#height - TOP - BOTTOM);
    }
    context.fillStyle = this.#colours.lane;
    this.#taken.fill(0);
    const { dots, size } = latencies;
    for (let index = dots - 1; index >= Math.max(dots - size, 0); index--) {
      const due = latencies.due[index % size];
      if (due < from) break;
      this.#dot(due, latencies.late[index % size], from);
    }
    if (dues !== null) this.#awaited(now, from, last, dues);
  }

  /** @param {number} now @param {number} from @param {number} last @param {import("./dues.js").Dues} dues */
  #awaited(now, from, last, dues) {
    const { context } = this;
    const step = Math.max(1, Math.ceil((dues.last - last) / AWAITED));
    context.globalAlpha = 0.4;
    for (let offset = last + 1; offset <= dues.last; offset += step) {
      const due = dues.of(offset);
      if (now - due > 300 && due >= from) this.#dot(due, now - due, from);
    }
    context.globalAlpha = 1;
  }

  #grid() {
    const { context } = this;
    context.font = this.#colours.font;
    context.textAlign = "right";
    context.textBaseline = "middle";
    LABELS.forEach((label, index) => {
      const y = this.#y(CEILING / 10 ** index);
      context.fillStyle = this.#colours.grid;
      context.fillRect(LEFT, Math.round(y), this.#width - LEFT, 1);
      context.fillStyle = this.#colours.text;
      context.fillText(label, LEFT - 6, y);
    });
    const baseline = this.#height - BOTTOM / 2 + 1;
    context.textAlign = "left";
    context.fillText(`${WINDOW_S} s ago`, LEFT, baseline);
    context.textAlign = "right";
    context.fillText("now", this.#width, baseline);
  }

  /** @param {number} due @param {number} late @param {number} from */
  #dot(due, late, from) {
    const x = Math.round(this.#x(due, from));
    const y = Math.round(this.#y(late));
    const spot = y * this.#width + x;
    if (this.#taken[spot] === 1) return;
    this.#taken[spot] = 1;
    this.context.fillRect(x - DOT / 2, y - DOT / 2, DOT, DOT);
  }

  /** @param {number} at @param {number} from */
  #x(at, from) {
    return LEFT + ((at - from) / (WINDOW_S * 1000)) * (this.#width - LEFT);
  }

  /** @param {number} late */
  #y(late) {
    const share = Math.log10(Math.min(Math.max(late, FLOOR), CEILING) / FLOOR) / DECADES;
    return this.#height - BOTTOM - share * (this.#height - TOP - BOTTOM);
  }
}
