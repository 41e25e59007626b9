/**
 * What a lane has brought, as it comes: text as running text, all else a line each. Holds the last hundred blocks of
 * it. All tapes add to the page together, in one frame, and less often where more comes, so that it costs the same at
 * any rate.
 */

const EVERY_MS = 50;
const SELDOM_MS = 125;
/** Events in a frame, on one lane, above which the next frame comes later. */
const MANY = 4;
const BLOCKS = 100;
/**
 * Characters of a block, of text without new lines; then another begins behind the next white space, or without any at
 * twice as many, so that whole blocks can go at the top. Only the text decides where, so that it is the same place on
 * every lane, whatever came together there.
 */
const BLOCK_CHARACTERS = 4_000;
/** Of what waits to be shown; older text is skipped. */
const WAITING_CHARACTERS = 12_000;
const LINE_CHARACTERS = 160;
/** Of a block of lines. */
const LINES_CHARACTERS = 1_000;

/** Tapes that have something to show. @type {Set<Tape>} */
const waiting = new Set();
let pause = EVERY_MS;

/** @param {Tape} tape */
function ask(tape) {
  if (waiting.size === 0) setTimeout(() => requestAnimationFrame(showAll), pause);
  waiting.add(tape);
}

function showAll() {
  const tapes = [...waiting];
  waiting.clear();
  const most = Math.max(...tapes.map((tape) => tape.show()));
  pause = most > MANY ? SELDOM_MS : EVERY_MS;
}

export class Tape {
  /** @type {{ text: string, kind: "text" | "line" | "seam" }[]} */
  #waiting = [];
  #characters = 0;
  #pieces = 0;
  /** @type {HTMLElement | null} */
  #block = null;
  #length = 0;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
  }

  clear() {
    this.#waiting = [];
    this.#characters = 0;
    this.#block = null;
    this.place.replaceChildren();
  }

  /** @param {import("/streamlanes.js").StreamEvent} event */
  event(event) {
    if (typeof event.data === "string") this.#add(event.data.slice(-WAITING_CHARACTERS), "text");
    else
      this.#add(
        `${event.offset}  ${event.raw.slice(0, LINE_CHARACTERS)}${event.raw.length > LINE_CHARACTERS ? "…" : ""}\n`,
        "line",
      );
  }

  /** Mark where the connection was made again. @param {string} text */
  seam(text) {
    this.#add(text, "seam");
  }

  /** @param {string} text @param {"text" | "line" | "seam"} kind */
  #add(text, kind) {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.kind === kind && kind !== "seam" && last.text.length < BLOCK_CHARACTERS)
      last.text += text;
    else this.#waiting.push({ text, kind });
    this.#characters += text.length;
    while (this.#characters > WAITING_CHARACTERS && this.#waiting.length > 1) {
      this.#characters -= /** @type {{ text: string }} */ (this.#waiting.shift()).text.length;
    }
    this.#pieces++;
    ask(this);
  }

  /** Show what waits; returns how many pieces of it there were. */
  show() {
    const pieces = this.#pieces;
    this.#pieces = 0;
    for (const { text, kind } of this.#waiting) {
      if (kind === "text") this.#text(text);
      else if (kind === "line") this.#line(text);
      else this.#seam(text);
    }
    this.#waiting = [];
    this.#characters = 0;
    while (this.place.childElementCount > BLOCKS) this.place.firstElementChild?.remove();
    return pieces;
  }

  /** @param {string} text */
  #text(text) {
    for (let rest = text; rest !== ""; ) {
      if (this.#block === null || this.#block.className !== "") this.#begin("");
      const end = this.#end(rest);
      this.#append(rest.slice(0, end ?? rest.length));
      if (end === null) break;
      this.#finish();
      rest = rest.slice(end);
    }
  }

  /** How much of *text* still belongs to the block; null: all, and the block goes on. @param {string} text */
  #end(text) {
    const line = text.indexOf("\n") + 1;
    const from = Math.max(BLOCK_CHARACTERS - this.#length, 0);
    const white = text.slice(from).search(/\s/) + 1;
    let most = 2 * BLOCK_CHARACTERS - this.#length;
    if (/[\ud800-\udbff]/.test(text.charAt(most - 1))) most++; // both halves of a character
    const ends = [line, white > 0 ? from + white : 0, most].filter((end) => end > 0 && end <= text.length);
    return ends.length > 0 ? Math.min(...ends) : null;
  }

  /** @param {string} text */
  #line(text) {
    if (this.#block === null || this.#block.className !== "lines" || this.#length > LINES_CHARACTERS)
      this.#begin("lines");
    this.#append(text);
  }

  /** @param {string} text */
  #seam(text) {
    if (this.#block === null) this.#begin("");
    const seam = document.createElement("span");
    seam.className = "seam";
    seam.textContent = text;
    this.#block?.append(seam);
  }

  /** Leave the block, as one text. */
  #finish() {
    this.#block?.normalize();
    this.#block = null;
  }

  /** @param {string} kind */
  #begin(kind) {
    this.#finish();
    this.#block = document.createElement("div");
    this.#block.className = kind;
    this.#length = 0;
    this.place.append(this.#block);
  }

  /** @param {string} text */
  #append(text) {
    this.#block?.append(text);
    this.#length += text.length;
  }
}
