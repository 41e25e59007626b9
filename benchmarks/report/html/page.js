"use strict";
// Draws each plot where it belongs, in the colours of the theme, one at a time so that the page can be read meanwhile.
(() => {
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const config = { displayModeBar: false, responsive: true, staticPlot: false };
  const hidden = new Map(); // figure -> lanes that the reader took out

  // var(--name) becomes that property's value; only where a colour is meant, so that no text is taken for one.
  const coloured = (value, style, colour = false) => {
    if (typeof value === "string") {
      const name = colour && /^var\((--[a-z0-9-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style, colour));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, coloured(item, style, colour || /color/.test(key))]),
    );
  };

  const draw = (place) => {
    const { data, layout } = plots[Number(place.dataset.plot)];
    const style = getComputedStyle(document.documentElement);
    const out = hidden.get(place.closest("figure")) ?? new Set();
    const traces = coloured(data, style).map((trace) => ({ ...trace, visible: !out.has(trace.meta) }));
    const family = getComputedStyle(document.body).fontFamily;
    const whole = coloured(layout, style);
    return Plotly.react(place, traces, { ...whole, font: { ...whole.font, family } }, config).then(() => {
      place.dataset.drawn = "";
    });
  };

  const places = [...document.querySelectorAll("[data-plot]")];
  const later = window.requestIdleCallback
    ? (work) => requestIdleCallback(work, { timeout: 200 })
    : (work) => setTimeout(work);
  const waiting = [...places];
  const load = () => {
    // The library is a megabyte or more to run: only now, when all else can be read.
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
    later(next);
  };
  const next = () => {
    const place = waiting.shift();
    if (place === undefined) {
      document.documentElement.dataset.drawn = "";
      return;
    }
    draw(place).then(() => later(next));
  };
  addEventListener("load", () => later(load));

  for (const button of document.querySelectorAll("button[data-lane]")) {
    button.addEventListener("click", () => {
      const figure = button.closest("figure");
      const out = hidden.get(figure) ?? new Set();
      hidden.set(figure, out);
      const { lane } = button.dataset;
      const shown = out.delete(lane);
      if (!shown) out.add(lane);
      button.setAttribute("aria-pressed", String(shown));
      figure.querySelectorAll("[data-drawn]").forEach(draw);
    });
  }

  const redraw = () => places.filter((place) => "drawn" in place.dataset).forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
