/* Bokeh with its widgets and tables. Without WebGL and MathJax: where these are missing it draws on a canvas, in text.
   It finds models by the names of their classes, which are kept. */
import "@bokeh/bokehjs/build/js/lib/models/main";
import "@bokeh/bokehjs/build/js/lib/models/widgets/main";
import "@bokeh/bokehjs/build/js/lib/models/widgets/tables/main";
export { embed_items } from "@bokeh/bokehjs/build/js/lib/embed";
