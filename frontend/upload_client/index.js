/* What the Drive's pages use of tus-js-client, as `tus`. Its own sources: those made for old browsers are twice as large. */
export { Upload } from "tus-js-client/lib/browser/index.js";
