/** Wires the page together, and starts the first stream by itself. */

import { agreement } from "./agreement.js";
import { Announcer } from "./announce.js";
import * as api from "./api.js";
import { Column } from "./column.js";
import { ParamsForm } from "./form.js";
import { count, counted, milliseconds } from "./format.js";
import { NetworkPanel } from "./network.js";
import { Show } from "./show.js";
import { notice, trouble } from "./trouble.js";

/** What a first visit sees: two minutes, to play with. */
const OPENING = { producer: "tokens", params: { rate: 40, count: 4800 } };
const STALL_S = 5;
const COLOURS = 8;
const REMEDIES = { again: "Start again", restart: "Restart the server", reload: "Reload the page" };

/** @param {string} id */
const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ (at(id));
/** @param {string} id */
const form = (id) => /** @type {HTMLFormElement} */ (at(id));

const stage = await api.stage();
const chosen = stage.chosen.flatMap((name) => stage.lanes.find((lane) => lane.name === name) ?? []);
/** All that there are, those to begin with first. */
const lanes = [...chosen, ...stage.lanes.filter((lane) => !chosen.includes(lane))];
const show = new Show(stage.demo, beaten);
const announcer = new Announcer(at("announcements"));
const params = new ParamsForm(at("foremost"), at("more"));
const network = new NetworkPanel(form("network"), (lane, shape) => attempt(() => api.setNetwork(lane, shape)));
/** The run that "Start again" would start. */
let order = /** @type {{ producer: string, params: Record<string, unknown> }} */ (OPENING);
/** @type {import("./trouble.js").Notice | null} */
let failed = null;
let restarting = false;
/** Further readers that were asked for here; each run gets them anew. */
let wanted = 0;
/** Whether they have just been asked for, and aren't told of yet. */
let gathering = false;

// A page that is left, or loaded again, shows another run: this one would go on for nobody.
addEventListener("pagehide", () => {
  if (show.run !== null) api.leaveRun(show.run.session_id);
});

/** Do something that the API may refuse, and say so if it does. @param {() => Promise<unknown>} act */
async function attempt(act) {
  try {
    await act();
    failed = null;
  } catch (error) {
    failed = trouble(error);
  }
  notify();
}

/** @param {{ producer: string, params: Record<string, unknown> }} next */
async function begin(next) {
  order = next;
  const fault = at("stream-fault");
  fault.hidden = true;
  params.faults([]);
  await attempt(async () => {
    try {
      await show.begin(next.producer, next.params);
      if (wanted > 0) void gather();
      at("columns").dataset.run = show.run?.epoch;
      form("send").hidden = next.producer !== "echo";
    } catch (error) {
      if (!(error instanceof api.Problem) || error.status !== 422) throw error;
      const others = params.faults(error.errors);
      fault.textContent = others.join("; ") || "The server can't start this; see above.";
      fault.hidden = false;
    }
  });
}

/** Have the further readers read this run. */
async function gather() {
  const session = show.run?.session_id;
  if (session === undefined) return;
  gathering = true;
  tellReaders();
  await attempt(() => api.setReaders(session, wanted, [...show.columns.keys()]));
  gathering = false;
}

function tellReaders() {
  const { count: there, received, faults } = show.telemetry?.readers ?? { count: 0, received: 0, faults: 0 };
  let text = "";
  if (gathering) text = wanted > 0 ? `Starting ${counted(wanted, "reader")}.` : "Ending them.";
  else if (there > 0)
    text = `${counted(there, "reader")} received ${count(received)} events${faults > 0 ? `, ${counted(faults, "fault")}` : ""}.`;
  else if (wanted > 0) text = `None now; ${counted(wanted, "reader")} for the next stream.`;
  if (at("readers-told").textContent !== text) at("readers-told").textContent = text;
}

/** @param {string} text */
async function send(text) {
  const [column] = show.columns.values();
  const fault = at("send-fault");
  fault.hidden = true;
  try {
    await column?.reading?.send(text);
  } catch (error) {
    fault.textContent = `Not sent: ${error instanceof Error ? error.message : error}.`;
    fault.hidden = false;
  }
}

async function restart() {
  restarting = true;
  notify();
  await attempt(async () => {
    show.boot = (await api.restart()).boot;
  });
  restarting = false;
  notify();
}

function notify() {
  const found = notice(show, restarting, failed);
  at("notice").hidden = found === null;
  input("restart").disabled = restarting;
  if (found === null) return;
  if (at("notice-text").textContent !== found.text) at("notice-text").textContent = found.text;
  const button = at("notice-act");
  button.hidden = found.act === null;
  if (found.act === null) return;
  button.textContent = REMEDIES[found.act];
  button.dataset.act = found.act;
}

/** @type {import("./column.js").Acts} */
const acts = {
  remedy: (remedy, column) => {
    if (remedy === "again") void begin(order);
    else if (remedy === "restart") void restart();
    else void column.reading?.read({ skip: remedy === "skip" });
  },
  fault: (lane, kind) => void attempt(() => api.fault(lane, kind, kind === "stall" ? STALL_S : undefined)),
  buffering: (lane, on) => void attempt(() => buffer([lane], on)),
};

/** @param {string[]} names @param {boolean} on */
async function buffer(names, on) {
  for (const name of names) {
    const now = show.telemetry?.lanes[name]?.network;
    if (now !== undefined) await api.setNetwork(name, { ...now, buffering: on });
  }
}

/** @param {string} name */
function add(name) {
  const index = lanes.findIndex((lane) => lane.name === name);
  const template = /** @type {HTMLTemplateElement} */ (at("column"));
  const column = new Column(lanes[index], (index % COLOURS) + 1, template, acts);
  show.columns.set(name, column);
  const next = [...show.columns.values()].find((other) => lanes.indexOf(other.lane) > index);
  at("columns").insertBefore(column.place, next?.place ?? null);
  show.read(column);
}

/** @param {string} name */
function remove(name) {
  show.columns.get(name)?.leave();
  show.columns.delete(name);
}

function choice() {
  for (const { name } of lanes) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.name = name;
    box.checked = stage.chosen.includes(name);
    box.addEventListener("change", () => {
      if (box.checked) add(name);
      else remove(name);
      network.offer([...show.columns.keys()]);
    });
    const text = document.createElement("span");
    text.textContent = name;
    label.append(box, text);
    at("choice").append(label);
  }
}

/** @param {number} now */
function beaten(now) {
  const columns = [...show.columns.values()];
  const agreed = agreement(columns);
  at("agreement").dataset.tone = agreed.tone;
  if (at("agreement").textContent !== agreed.text) at("agreement").textContent = agreed.text;
  if (agreed.tone === "bad") announcer.tell("All lanes", agreed.text);
  for (const { lane, told } of columns) {
    if (told.news) announcer.tell(lane.name, told.text);
    else announcer.forget(lane.name);
  }
  announcer.speak(now);
  const { telemetry } = show;
  if (telemetry !== null) {
    network.take(telemetry.lanes);
    const shown = columns.map(({ lane }) => telemetry.lanes[lane.name]);
    const box = input("buffering-all");
    if (document.activeElement !== box)
      box.checked = shown.length > 0 && shown.every((wire) => wire?.network.buffering);
    tellReaders();
  }
  if (Number.isFinite(show.clock.bound)) {
    at("clock").textContent =
      `Latency is from when an event was due at its producer to when this page had it; the two clocks are matched to ± ${milliseconds(show.clock.bound)}.`;
  }
  input("stop").disabled = !show.running;
  notify();
}

function wire() {
  at("cut-all").addEventListener("click", () => attempt(() => api.fault(null, "cut")));
  at("stall-all").addEventListener("click", () => attempt(() => api.fault(null, "stall", STALL_S)));
  input("buffering-all").addEventListener("change", (event) => {
    const on = /** @type {HTMLInputElement} */ (event.target).checked;
    void attempt(() =>
      buffer(
        lanes.map(({ name }) => name),
        on,
      ),
    );
  });
  at("restart").addEventListener("click", restart);
  at("notice-act").addEventListener("click", () => {
    const { act } = at("notice-act").dataset;
    if (act === "reload") location.reload();
    else if (act === "restart") void restart();
    else void begin(order);
  });
  at("stop").addEventListener("click", () => attempt(() => show.stop()));
  const producer = /** @type {HTMLSelectElement} */ (at("producer"));
  for (const name of Object.keys(stage.producers)) producer.add(new Option(name));
  producer.value = OPENING.producer;
  const fields = () =>
    params.show(stage.producers[producer.value], producer.value === OPENING.producer ? OPENING.params : {});
  producer.addEventListener("change", fields);
  fields();
  form("stream").addEventListener("submit", (event) => {
    event.preventDefault();
    void begin({ producer: producer.value, params: params.values });
  });
  form("send").addEventListener("submit", (event) => {
    event.preventDefault();
    void send(input("message").value);
    input("message").value = "";
  });
  form("readers").addEventListener("submit", (event) => {
    event.preventDefault();
    wanted = Number(input("reader-count").value);
    void gather();
  });
}

wire();
choice();
await show.ask();
for (const { name } of chosen) add(name);
network.offer([...show.columns.keys()]);
await begin({ producer: OPENING.producer, params: params.values });
await show.beat();
