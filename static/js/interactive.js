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

  function within(seconds, promise) {
    const late = new Promise((_, fail) => setTimeout(fail, seconds * 1000, new Error("it took too long.")));
    return Promise.race([promise, late]);
  }

  let diagrams = 0;

  async function diagram(words) {
    const mermaid = window.mermaid.default;
    if (!diagrams) {
      const plain = { htmlLabels: false }; // texts of SVG, which pictures can show
      const other = { securityLevel: "strict", suppressErrorRendering: true, startOnLoad: false, theme: "default" };
      mermaid.initialize({ ...plain, flowchart: plain, class: plain, state: plain, ...other });
    }
    const { svg } = await within(30, mermaid.render(`diagram-${++diagrams}`, words));
    const made = document.createElement("div");
    made.innerHTML = svg;
    return made.firstElementChild;
  }

  const draw = {
    async bokeh(place, { documents }) {
      for (const doc of documents) {
        const roots = Object.fromEntries(doc.roots.map((root) => [root.id, document.createElement("div")]));
        place.append(...Object.values(roots));
        const items = [{ docid: "shown", roots, root_ids: doc.roots.map((root) => root.id) }];
        await within(30, window.bokeh.embed_items({ shown: doc }, items));
      }
    },
    async mermaid(place, { words }) {
      place.append(await diagram(words));
    },
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

  function reason(error) {
    if (error instanceof EvalError) return "it needs a script of the notebook, and none runs here.";
    return String(error && error.message ? error.message : error);
  }

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
      place.textContent = "This output could not be drawn: " + reason(error);
      output.dataset.failed = "";
    }
  }

  // The page with Markdown around a frame that is there for its diagrams only.
  window.addEventListener("message", async function ({ source, data }) {
    if (source !== parent || !window.mermaid || !data || typeof data.words !== "string") return;
    const said = { diagram: data.diagram };
    try {
      said.svg = new XMLSerializer().serializeToString(await diagram(data.words));
    } catch (error) {
      said.failed = reason(error);
    }
    parent.postMessage(said, "*");
  });

  window.addEventListener("load", function () {
    for (const output of document.querySelectorAll(".interactive[data-kind]")) show(output);
    if (window.mermaid) parent.postMessage({ draws: true }, "*");
  });
})();
