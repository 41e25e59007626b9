/**
 * The panel that shapes the network between the server and one lane, or all of them. Of all, only what is changed is
 * set, the rest stays what it is on each; where they differ, it says so.
 */

import { milliseconds } from "./format.js";

/** @typedef {import("./api.js").Network} Network */
/** @typedef {"delay" | "jitter" | "bandwidth"} Name */

/** @type {Name[]} */
const NAMES = ["delay", "jitter", "bandwidth"];
const MIXED = "mixed";

export class NetworkPanel {
  /** @type {Record<string, import("./api.js").Wire>} */
  #lanes = {};
  #changed = 0;
  /** Those that aren't the same on all lanes. @type {Set<string>} */
  #mixed = new Set();

  /**
   * @param {HTMLFormElement} form with the fields `lane`, `delay`, `jitter`, `bandwidth`
   * @param {(lane: string | null, network: Network) => void} apply
   */
  constructor(form, apply) {
    this.form = form;
    this.apply = apply;
    form.addEventListener("input", (event) => {
      if (event.target === this.#field("lane")) this.#fill();
      else this.#mixed.delete(nameOf(event.target));
      this.#label();
    });
    form.addEventListener("change", (event) => {
      if (event.target === this.#field("lane")) return;
      this.#changed = performance.now();
      this.#send([/** @type {Name} */ (nameOf(event.target))]);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      for (const [name, value] of [
        ["delay", "0"],
        ["jitter", "0"],
        ["bandwidth", ""],
      ])
        this.#field(name).value = value;
      this.#mixed.clear();
      this.#label();
      this.#changed = performance.now();
      this.#send(NAMES);
    });
  }

  /** @param {string[]} names of the lanes that are shown */
  offer(names) {
    const select = /** @type {HTMLSelectElement} */ (this.#field("lane"));
    const chosen = select.value;
    select.replaceChildren(new Option("all lanes", ""), ...names.map((name) => new Option(name)));
    select.value = names.includes(chosen) ? chosen : "";
  }

  /**
   * What the relays say; shown unless somebody is just changing it.
   * @param {Record<string, import("./api.js").Wire>} lanes
   */
  take(lanes) {
    this.#lanes = { ...lanes };
    if (!this.form.contains(document.activeElement) && performance.now() - this.#changed > 2000) this.#fill();
  }

  /** The lane that is chosen; null: all. */
  get lane() {
    return this.#field("lane").value || null;
  }

  #fill() {
    const networks = this.#chosen.map((name) => this.#lanes[name].network);
    const [first] = networks;
    if (first === undefined) return;
    this.#mixed = new Set(NAMES.filter((name) => networks.some((network) => network[name] !== first[name])));
    for (const name of /** @type {const} */ (["delay", "jitter"]))
      this.#field(name).value = String(Math.max(...networks.map((network) => network[name])) * 1000);
    this.#field("bandwidth").value = this.#mixed.has("bandwidth") ? MIXED : String(first.bandwidth ?? "");
    this.#label();
  }

  #label() {
    for (const name of ["delay", "jitter"]) {
      const field = /** @type {HTMLInputElement} */ (this.#field(name));
      const output = this.form.querySelector(`output[for="${field.id}"]`);
      const text = this.#mixed.has(name) ? MIXED : milliseconds(Number(field.value));
      if (output !== null) output.textContent = text;
      field.setAttribute("aria-valuetext", text);
    }
  }

  /** The lanes that are meant; without those that nothing is known of yet. */
  get #chosen() {
    return this.lane === null ? Object.keys(this.#lanes) : this.lane in this.#lanes ? [this.lane] : [];
  }

  /** Set these, and leave the others, buffering too, what they are on each lane. @param {Name[]} names */
  #send(names) {
    const bandwidth = this.#field("bandwidth").value;
    const shape = {
      delay: Number(this.#field("delay").value) / 1000,
      jitter: Number(this.#field("jitter").value) / 1000,
      bandwidth: bandwidth === "" ? null : Number(bandwidth),
    };
    const changes = Object.fromEntries(names.map((name) => [name, shape[name]]));
    for (const lane of this.#chosen) {
      const network = { ...this.#lanes[lane].network, ...changes };
      this.#lanes[lane] = { ...this.#lanes[lane], network }; // what is changed before telemetry says so, builds on it
      this.apply(lane, network);
    }
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement | HTMLSelectElement} */ (this.form.elements.namedItem(name));
  }
}

/** @param {EventTarget | null} target */
function nameOf(target) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (target).name;
}
