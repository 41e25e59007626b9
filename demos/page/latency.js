/**
 * How late events were, in a bounded space at any rate: dots for the plot, and for the percentiles a histogram for each
 * second. Times are the server's, in ms.
 */

const DOTS = 16_384;
/** Seconds that the plot and the percentiles look back. */
export const WINDOW_S = 30;
const PER_DECADE = 50;
/** From 0.01 ms; to 1,000 s. */
const LOWEST = 0.01;
const BUCKETS = PER_DECADE * 8;

export class Latencies {
  due = new Float64Array(DOTS);
  late = new Float32Array(DOTS);
  /** Dots so far; the last `DOTS` of them are there, the latest at `(dots - 1) % DOTS`. */
  dots = 0;
  size = DOTS;
  /** When the last event was due. */
  lastDue = -Infinity;
  #slices = new Uint32Array(WINDOW_S * BUCKETS);
  #second = new Float64Array(WINDOW_S).fill(-1);
  #sum = new Uint32Array(BUCKETS);

  /** An event that was due at *due* came *late* ms after that. @param {number} due @param {number} late */
  add(due, late) {
    const value = Math.max(late, LOWEST);
    const second = Math.floor(due / 1000);
    const slice = second % WINDOW_S;
    if (this.#second[slice] !== second) {
      this.#slices.fill(0, slice * BUCKETS, (slice + 1) * BUCKETS);
      this.#second[slice] = second;
    }
    this.#slices[slice * BUCKETS + Math.min(Math.floor(Math.log10(value / LOWEST) * PER_DECADE), BUCKETS - 1)]++;
    const before = this.dots > 0 ? this.late[(this.dots - 1) % DOTS] : 0;
    // Two that would fall on one spot of the plot are one dot.
    if (due - this.lastDue >= 2 || Math.abs(value - before) > before * 0.03) {
      this.due[this.dots % DOTS] = due;
      this.late[this.dots % DOTS] = value;
      this.dots++;
    }
    this.lastDue = Math.max(this.lastDue, due);
  }

  /** The greatest latency of those that came since *since*; 0 without any. @param {number} since */
  worst(since) {
    let worst = 0;
    for (let index = this.dots - 1; index >= Math.max(this.dots - DOTS, 0); index--) {
      const late = this.late[index % DOTS];
      if (this.due[index % DOTS] + late < since) break;
      worst = Math.max(worst, late);
    }
    return worst;
  }

  /**
   * The latencies that these shares of the events keep to, of those due in the last 30 s of them; NaN without any. To 5
   * %.
   * @param {number[]} shares
   */
  quantiles(shares) {
    const last = Math.floor(this.lastDue / 1000);
    const sum = this.#sum.fill(0);
    let total = 0;
    for (let slice = 0; slice < WINDOW_S; slice++) {
      if (this.#second[slice] < 0 || this.#second[slice] <= last - WINDOW_S) continue;
      for (let bucket = 0, at = slice * BUCKETS; bucket < BUCKETS; bucket++, at++) {
        sum[bucket] += this.#slices[at];
        total += this.#slices[at];
      }
    }
    return shares.map((share) => {
      let left = Math.max(Math.ceil(share * total), 1);
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        left -= sum[bucket];
        if (left <= 0) return LOWEST * 10 ** ((bucket + 0.5) / PER_DECADE);
      }
      return NaN;
    });
  }
}
