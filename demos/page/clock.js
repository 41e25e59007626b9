/**
 * The server's clock, seen from here. Each round trip of telemetry says when it was there while it was between two
 * times here; the shortest round trip of the last minute says it best, and how well: to half of its time either way.
 */

const REMEMBERED_MS = 60_000;
const SAMPLES = 256;

export class Clock {
  #at = new Float64Array(SAMPLES).fill(-Infinity);
  #offset = new Float64Array(SAMPLES);
  #trip = new Float64Array(SAMPLES);
  #next = 0;
  /** Theirs less ours, in ms; NaN until there was a sample. */
  offset = NaN;
  /** How far off `offset` can be either way, in ms. */
  bound = NaN;

  /**
   * Asked at *sent*, answered at *received* (performance.now()), when it was *theirs* there.
   * @param {number} sent @param {number} received @param {number} theirs
   */
  sample(sent, received, theirs) {
    this.#at[this.#next] = received;
    this.#offset[this.#next] = theirs - (sent + received) / 2;
    this.#trip[this.#next] = received - sent;
    this.#next = (this.#next + 1) % SAMPLES;
    let best = -1;
    for (let index = 0; index < SAMPLES; index++) {
      if (received - this.#at[index] <= REMEMBERED_MS && (best < 0 || this.#trip[index] < this.#trip[best]))
        best = index;
    }
    this.offset = this.#offset[best];
    this.bound = this.#trip[best] / 2;
  }

  /** Their time at *ours*. @param {number} ours */
  there(ours) {
    return ours + this.offset;
  }
}
