/** Fields for a producer's parameters, made from their JSON schema; and what was put into them. */

/** @typedef {Record<string, any>} Schema */

/** Of parameters that the built-in producers have; others go by their schema's title. @type {Record<string, string>} */
const LABELS = {
  text: "Text: your own, if you like",
  rate: "Rate, events per second",
  count: "Events, in all",
  ttft: "Seconds to the first one",
  sigma: "Spread of the times, 0 to 2",
  size: "Bytes of an event",
  delay: "Seconds before the first one",
  arrivals: "Times between events",
  burst: "Seconds of a burst, if there are pauses",
  pause: "Seconds of a pause after each burst, 0 for none",
  begin_at: "Begins at this Unix time, empty for now",
  seed: "Seed of the random numbers: the same, the same stream",
};
/** Shown without asking for more. */
const FOREMOST = ["rate", "text"];
/** Characters from which a text gets several lines. */
const LONG = 200;

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

export class ParamsForm {
  /** @type {Map<string, { control: Control, schema: Schema, optional: boolean, fault: HTMLElement }>} */
  #fields = new Map();

  /** @param {HTMLElement} foremost @param {HTMLElement} more for all that aren't asked for at first */
  constructor(foremost, more) {
    this.foremost = foremost;
    this.more = more;
  }

  /**
   * Make the fields anew.
   * @param {Schema} schema @param {Record<string, unknown>} values instead of the schema's defaults
   */
  show(schema, values = {}) {
    this.#fields.clear();
    this.foremost.replaceChildren();
    this.more.replaceChildren();
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const options = property.anyOf ?? [property];
      const kind = options.find((/** @type {Schema} */ option) => option.type !== "null") ?? property;
      const optional = options.some((/** @type {Schema} */ option) => option.type === "null");
      const control = controlFor(kind);
      if (name === "count" && optional && control instanceof HTMLInputElement) control.placeholder = "no limit";
      const value = name in values ? values[name] : property.default;
      control.value = value === null || value === undefined ? "" : String(value);
      control.id = `param-${name}`;
      const fault = document.createElement("p");
      fault.className = "fault";
      fault.id = `fault-${name}`;
      fault.hidden = true;
      control.setAttribute("aria-describedby", fault.id);
      const label = document.createElement("label");
      label.htmlFor = control.id;
      label.textContent = LABELS[name] ?? property.title ?? name;
      const field = document.createElement("div");
      field.className = "field";
      field.append(label, control, fault);
      (FOREMOST.includes(name) ? this.foremost : this.more).append(field);
      this.#fields.set(name, { control, schema: kind, optional, fault });
    }
    this.#once(schema.properties?.text?.default);
  }

  /** A text of the visitor's own comes once, and not so often that it lasts. @param {string | undefined} sample */
  #once(sample) {
    const text = this.#fields.get("text")?.control;
    const count = this.#fields.get("count")?.control;
    if (sample === undefined || text === undefined || !(count instanceof HTMLInputElement)) return;
    count.placeholder = "the text once";
    const long = count.value;
    text.addEventListener("input", () => {
      if (text.value === sample || text.value === "") count.value ||= long;
      else if (count.value === long) count.value = "";
    });
  }

  /** What to send; fields left empty are left out. @returns {Record<string, unknown>} */
  get values() {
    /** @type {Record<string, unknown>} */
    const values = {};
    for (const [name, { control, schema }] of this.#fields) {
      if (control.value === "") continue;
      const numeric = schema.type === "number" || schema.type === "integer";
      values[name] = numeric
        ? Number(control.value)
        : schema.type === "boolean"
          ? control.value === "true"
          : control.value;
    }
    return values;
  }

  /**
   * Tell what the server found wrong; returns what belongs to no field.
   * @param {{ field: string, message: string }[]} errors
   */
  faults(errors) {
    for (const { control, fault } of this.#fields.values()) {
      control.removeAttribute("aria-invalid");
      fault.hidden = true;
    }
    const others = [];
    for (const { field, message } of errors) {
      const found = this.#fields.get(field.split(".").at(-1) ?? field);
      if (found === undefined) {
        others.push(`${field}: ${message}`);
        continue;
      }
      found.control.setAttribute("aria-invalid", "true");
      found.fault.textContent = message;
      found.fault.hidden = false;
      found.control.closest("details")?.setAttribute("open", "");
    }
    return others;
  }
}

/** @param {Schema} schema @returns {Control} */
function controlFor(schema) {
  if (schema.enum !== undefined || schema.type === "boolean") {
    const select = document.createElement("select");
    for (const choice of schema.enum ?? [true, false]) select.add(new Option(String(choice)));
    return select;
  }
  if (schema.type === "string" && (schema.maxLength ?? LONG) > LONG) {
    const area = document.createElement("textarea");
    area.rows = 5;
    area.maxLength = schema.maxLength ?? 400_000;
    return area;
  }
  const input = document.createElement("input");
  if (schema.type === "number" || schema.type === "integer") {
    input.type = "number";
    input.step = schema.type === "integer" ? "1" : "any";
    if (schema.minimum !== undefined) input.min = String(schema.minimum);
    if (schema.maximum !== undefined) input.max = String(schema.maximum);
  }
  return input;
}
