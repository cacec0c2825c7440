// Draws outputs of a notebook with the libraries that are in the page, from JSON that the notebook holds. Runs in a
// frame without an origin, whose policy admits scripts from us only and no connection. What a library makes HTML of
// goes through the policy below: elements that connect in spite of a Content Security Policy are none any more.
(function () {
  "use strict";
  if (window.trustedTypes) {
    trustedTypes.createPolicy("default", {
      createHTML: (text) => text.replace(/<(\/?)(link|meta|base|script|iframe|object|embed)\b/gi, "<$1x-$2"),
      createScript: (text) => text, // run only where the page's policy has unsafe-eval
    });
  }

  const draw = {
    async plotly(place, figure) {
      const layout = Object.assign({}, figure.layout);
      if (!layout.height) place.style.height = "450px";
      await window.Plotly.newPlot(place, figure.data || [], layout, { responsive: true, displaylogo: false });
      if (Array.isArray(figure.frames)) await window.Plotly.addFrames(place, figure.frames);
    },
    async vega(place, chart) {
      delete chart.spec.usermeta; // options of the one who draws, such as a file to patch the chart with
      const { embed, expressionInterpreter } = window.vega;
      const loader = window.vega.loader();
      let loads = false;
      loader.load = async function () {
        loads = true;
        throw new Error("refused");
      };
      const mode = chart.lite ? "vega-lite" : "vega";
      const options = { actions: false, renderer: "svg", ast: true, expr: expressionInterpreter, loader, mode };
      await embed(place, chart.spec, options);
      if (loads) throw new Error("its data is not in the notebook.");
    },
  };

  async function show(output) {
    const place = document.createElement("div");
    place.className = "drawn";
    output.append(place);
    try {
      await draw[output.dataset.kind](place, JSON.parse(output.querySelector("script.data").textContent));
      output.querySelector(".still").hidden = true;
      output.dataset.drawn = "";
    } catch (error) {
      place.className = "still";
      place.style.height = "";
      place.textContent = "This output could not be drawn: " + String(error && error.message ? error.message : error);
      output.dataset.failed = "";
    }
  }

  window.addEventListener("load", function () {
    for (const output of document.querySelectorAll(".interactive[data-kind]")) show(output);
  });
})();
