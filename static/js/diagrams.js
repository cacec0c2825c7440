// Draws the diagrams of a page with Markdown (Mermaid) as pictures, which run nothing. What draws them is in a frame
// without an origin that can reach nothing; the words of a diagram go in, an SVG comes out.
(function () {
  "use strict";
  const words = document.currentScript.dataset;
  const LONGEST = 4000000;
  const blocks = [...document.querySelectorAll(".prose pre > code.language-mermaid")];
  if (!blocks.length) return;

  const frame = document.createElement("iframe");
  frame.className = "off-screen";
  frame.title = words.title;
  frame.tabIndex = -1;
  frame.setAttribute("aria-hidden", "true");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.src = words.frame;

  function picture(svg) {
    const [, width, height] = /viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"/.exec(svg) || [];
    const image = document.createElement("img");
    image.alt = words.picture;
    if (width && height) [image.width, image.height] = [Math.ceil(width), Math.ceil(height)];
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
    return image;
  }

  function show(pre, svg) {
    const figure = document.createElement("figure");
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    figure.className = "diagram";
    summary.textContent = words.source;
    pre.replaceWith(figure);
    details.append(summary, pre);
    figure.append(picture(svg), details);
  }

  function fail(pre, why) {
    const note = document.createElement("p");
    note.className = "meta";
    note.textContent = words.failed.replace("{why}", () => why.slice(0, 500));
    pre.after(note);
  }

  let left = blocks.length;
  window.addEventListener("message", function ({ source, data }) {
    if (source !== frame.contentWindow || !data) return;
    if (data.draws) {
      blocks.forEach((code, diagram) => source.postMessage({ diagram, words: code.textContent }, "*"));
      return;
    }
    const pre = blocks[data.diagram] && blocks[data.diagram].parentElement;
    if (!pre || pre.dataset.drawn) return;
    pre.dataset.drawn = "1";
    if (typeof data.svg === "string" && data.svg.length < LONGEST) show(pre, data.svg);
    else fail(pre, typeof data.failed === "string" ? data.failed : words.tooLarge);
    if (!--left) frame.remove();
  });
  document.body.append(frame);
})();
