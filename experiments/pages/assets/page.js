/* Draws the figures of a page with Plotly, in the colours of the page, and moves through a sale.

   Every figure is JSON in a <script type="application/json"> inside its <figure>: {panels: [{data, layout}], scrub}. */
"use strict";
(() => {
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const narrow = () => window.innerWidth < 600;

  function look(layout) {
    const ink = colour("--ink"), line = colour("--line");
    const axis = (own) => ({ ...own, gridcolor: line, linecolor: line, zerolinecolor: line, tickcolor: line,
      automargin: true, title: { text: own.title.shown || "", font: { size: narrow() ? 11 : 12 }, standoff: 8 } });
    const shapes = (layout.shapes || []).map((s) => ({ ...s, line: { ...s.line, color: colour("--zero") } }));
    return { ...layout, shapes, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis), paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: narrow() ? 10 : 12, family: "system-ui, sans-serif" },
      hoverlabel: { bgcolor: colour("--shade"), bordercolor: line, font: { color: ink } },
      margin: { l: 8, r: 12, t: 8, b: 8 }, showlegend: false, autosize: true,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: ink } };
  }

  function legend(plots, figure, own, known) {  // one for each set of names
    const names = new Map();
    for (const trace of own.data)
      if (trace.meta && trace.meta.named) names.set(trace.name, trace.meta);
    const set = [...names.keys()].join("\n");
    if (names.size < 2 || known.has(set)) return;
    known.add(set);
    const bar = document.createElement("div");
    bar.className = "legend";
    for (const [name, meta] of names) {
      const button = document.createElement("button"), sign = document.createElement("i");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      sign.style.background = sign.style.color = meta.colour;
      if (meta.dashed) sign.className = "dashed";
      button.append(sign, name);
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        for (const plot of plots) {
          const which = plot.data.flatMap((trace, i) => (trace.name === name ? [i] : []));
          if (which.length) Plotly.restyle(plot, { visible: on }, which);
        }
      });
      bar.append(button);
    }
    figure.insertBefore(bar, own.nextSibling);
  }

  function scrub(plots, figure, content) {
    const xs = content.xs, box = document.createElement("div");
    box.className = "scrub";
    box.innerHTML = '<button type="button" class="plain" aria-label="play the sale">&#9654;</button>' +
      '<input type="range" min="0" value="0" aria-label="minute of the sale"><output></output>';
    const [button, slider, output] = box.children;
    slider.max = xs.length - 1;
    const told = document.createElement("div");
    told.className = "told";
    figure.prepend(box);
    figure.insertBefore(told, figure.querySelector("figcaption"));
    const cells = [];
    plots.forEach((plot, k) => {
      const head = document.createElement("h3");
      head.textContent = content.panels[k].layout.yaxis.title.text;
      told.append(head);
      for (const trace of content.panels[k].data) {
        if (!trace.meta) continue;
        const row = document.createElement("div"), name = document.createElement("span"),
          value = document.createElement("span");
        name.textContent = trace.name;
        row.append(name, value);
        told.append(row);
        cells.push([value, trace, content.panels[k].layout.yaxis.tickformat || ""]);
      }
    });
    const shown = (v, format) => format.includes("%") ? `${(100 * v).toFixed(0)} %`
      : v.toLocaleString("en", { maximumFractionDigits: Math.abs(v) < 100 ? 2 : 0 });
    function move() {
      const i = Number(slider.value);
      output.textContent = `${xs[i].toLocaleString("en", { maximumFractionDigits: 2 })} min`;
      for (const [cell, trace, format] of cells)
        cell.textContent = trace.text ? trace.text[i] : shown(trace.y[i], format);
      const line = { type: "line", xref: "x", yref: "paper", x0: xs[i], x1: xs[i], y0: 0, y1: 1,
        line: { color: colour("--mark"), width: 2 } };
      for (const plot of plots) Plotly.relayout(plot, { shapes: [line] });
    }
    let timer = null;
    function stop() { clearInterval(timer); timer = null; button.innerHTML = "&#9654;"; }
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (slider.value === slider.max) slider.value = 0;
      button.innerHTML = "&#10074;&#10074;";
      timer = setInterval(() => {
        if (slider.value === slider.max) return stop();
        slider.value = Number(slider.value) + 1;
        move();
      }, 150);
    });
    slider.addEventListener("input", move);
    for (const plot of plots)
      plot.on("plotly_click", (event) => { slider.value = event.points[0].pointIndex; move(); });
    move();
    return move;
  }

  function draw(figure) {
    const content = JSON.parse(figure.querySelector("script").textContent);
    const plots = content.panels.map((panel) => {
      const head = document.createElement("div"), plot = document.createElement("div");
      head.className = "axis";
      head.textContent = panel.layout.yaxis.title.text;
      plot.className = "plot";
      for (const part of [head, plot]) figure.insertBefore(part, figure.querySelector("figcaption"));
      return plot;
    });
    const config = { responsive: true, displaylogo: false, displayModeBar: narrow() ? false : undefined,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg" } };
    const paint = (how) => Promise.all(plots.map((plot, k) => {
      const { data, layout } = content.panels[k];
      for (const trace of data) if (trace.type === "heatmap") trace.textfont = { color: colour("--ink") };
      const height = narrow() ? Math.round(layout.height * (layout.meta.narrow || 0.85)) : layout.height;
      return how(plot, data, { ...look(layout), height }, config);
    }));
    return paint(Plotly.newPlot).then(() => {
      let again = () => {};
      const known = new Set();
      plots.forEach((plot) => legend(plots, figure, plot, known));
      if (content.scrub) again = scrub(plots, figure, content);
      if (plots.length > 1) share(plots);
      figure.dataset.drawn = "true";
      return () => paint(Plotly.react).then(again);
    });
  }

  function share(plots) {  // panels of a figure show the same stretch of x
    let busy = false;
    for (const plot of plots) plot.on("plotly_relayout", (change) => {
      if (busy || !("xaxis.range[0]" in change || "xaxis.autorange" in change)) return;
      busy = true;
      const same = Object.fromEntries(Object.entries(change).filter(([key]) => key.startsWith("xaxis.")));
      Promise.all(plots.filter((other) => other !== plot).map((other) => Plotly.relayout(other, same)))
        .finally(() => { busy = false; });
    });
  }

  const button = document.getElementById("theme");
  Promise.all([...document.querySelectorAll("figure.chart")].map(draw)).then((redraws) => {
    const repaint = () => redraws.forEach((redraw) => redraw());
    button.addEventListener("click", () => {
      const dark = getComputedStyle(root).colorScheme === "dark";
      root.dataset.theme = dark ? "light" : "dark";
      repaint();
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    document.body.dataset.ready = "true";
  });
})();
