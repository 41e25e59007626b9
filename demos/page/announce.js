/**
 * Says what happens to people who listen to the page: politely, together, and not more often than every few seconds.
 */

const EVERY_MS = 4_000;

export class Announcer {
  /** @type {Map<string, string>} */
  #news = new Map();
  /** @type {Map<string, string>} */
  #said = new Map();
  #last = -Infinity;

  /** @param {HTMLElement} place an aria-live region */
  constructor(place) {
    this.place = place;
  }

  /**
   * There is *text* to say of *subject*; what was said of it last isn't said again.
   * @param {string} subject @param {string} text
   */
  tell(subject, text) {
    if (this.#said.get(subject) !== gist(text)) this.#news.set(subject, text);
  }

  /** There is nothing to say of *subject* any more. @param {string} subject */
  forget(subject) {
    this.#news.delete(subject);
    this.#said.delete(subject);
  }

  /** @param {number} now */
  speak(now) {
    if (this.#news.size === 0 || now - this.#last < EVERY_MS) return;
    this.#last = now;
    this.place.textContent = [...this.#news].map(([subject, text]) => `${subject}: ${text}`).join(" ");
    for (const [subject, text] of this.#news) this.#said.set(subject, gist(text));
    this.#news.clear();
  }
}

/** A text without its numbers, which change all the time. @param {string} text */
function gist(text) {
  return text.replace(/[\d.,]+/g, "");
}
