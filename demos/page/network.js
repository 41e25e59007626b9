/** The panel that shapes the network between the server and one lane, or all of them. */

import { milliseconds } from "./format.js";

/** @typedef {import("./api.js").Network} Network */

export class NetworkPanel {
  /** @type {Record<string, import("./api.js").Wire>} */
  #lanes = {};
  #changed = 0;

  /**
   * @param {HTMLFormElement} form with the fields `lane`, `delay`, `jitter`, `bandwidth`
   * @param {(lane: string | null, network: Network) => void} apply
   */
  constructor(form, apply) {
    this.form = form;
    this.apply = apply;
    form.addEventListener("input", (event) => {
      if (event.target === this.#field("lane")) this.#fill();
      this.#label();
    });
    form.addEventListener("change", (event) => {
      if (event.target === this.#field("lane")) return;
      this.#changed = performance.now();
      this.#send();
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
      this.#label();
      this.#changed = performance.now();
      this.#send();
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
    this.#lanes = lanes;
    if (!this.form.contains(document.activeElement) && performance.now() - this.#changed > 2000) this.#fill();
  }

  /** The lane that is chosen; null: all. */
  get lane() {
    return this.#field("lane").value || null;
  }

  #fill() {
    const wire = this.lane === null ? Object.values(this.#lanes)[0] : this.#lanes[this.lane];
    if (wire === undefined) return;
    this.#field("delay").value = String(wire.network.delay * 1000);
    this.#field("jitter").value = String(wire.network.jitter * 1000);
    this.#field("bandwidth").value = wire.network.bandwidth === null ? "" : String(wire.network.bandwidth);
    this.#label();
  }

  #label() {
    for (const name of ["delay", "jitter"]) {
      const field = /** @type {HTMLInputElement} */ (this.#field(name));
      const output = this.form.querySelector(`output[for="${field.id}"]`);
      if (output !== null) output.textContent = milliseconds(Number(field.value));
      field.setAttribute("aria-valuetext", milliseconds(Number(field.value)));
    }
  }

  #send() {
    const bandwidth = this.#field("bandwidth").value;
    const shape = {
      delay: Number(this.#field("delay").value) / 1000,
      jitter: Number(this.#field("jitter").value) / 1000,
      bandwidth: bandwidth === "" ? null : Number(bandwidth),
    };
    // Buffering isn't this panel's, and stays what it is on each lane.
    const names = this.lane === null ? Object.keys(this.#lanes) : [this.lane];
    for (const name of names) this.apply(name, { ...shape, buffering: this.#lanes[name]?.network.buffering ?? false });
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement | HTMLSelectElement} */ (this.form.elements.namedItem(name));
  }
}
