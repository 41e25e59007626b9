/** When each event of the run was due, by the server's clock, as telemetry tells it; the last `REMEMBERED` of them. */

/** Events for which times are kept, here and of each lane: 80 s at 200 a second. */
export const REMEMBERED = 16_384;

export class Dues {
  #times = new Float64Array(REMEMBERED).fill(NaN);
  /** The last event whose due time is known. */
  last = 0;

  /** Take the due times of the events from *first* on. @param {number} first @param {number[]} times ms */
  take(first, times) {
    // Those that the server no longer tells.
    for (let offset = Math.max(this.last + 1, first - REMEMBERED); offset < first; offset++)
      this.#times[offset % REMEMBERED] = NaN;
    times.forEach((time, index) => {
      this.#times[(first + index) % REMEMBERED] = time;
    });
    this.last = Math.max(this.last, first + times.length - 1);
  }

  /** NaN for one that isn't known, or no longer. @param {number} offset */
  of(offset) {
    return offset > this.last - REMEMBERED && offset <= this.last ? this.#times[offset % REMEMBERED] : NaN;
  }
}
