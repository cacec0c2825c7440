/* Colours of the editor: the site's own (static/css/tokens.css), light and dark. */
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const looks = EditorView.theme({
  "&": {
    color: "var(--text)",
    backgroundColor: "var(--surface)",
    border: "1px solid var(--field-line)",
    borderRadius: "var(--radius)",
    minHeight: "55vh",
    maxHeight: "80vh",
    fontSize: ".9rem",
  },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content, .cm-gutter": { minHeight: "55vh" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--accent) 30%, transparent)",
  },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--sunken) 55%, transparent)" },
  ".cm-gutters": { color: "var(--muted)", backgroundColor: "var(--sunken)", borderRight: "0" },
  ".cm-selectionMatch, .cm-searchMatch": { backgroundColor: "color-mix(in srgb, var(--warn) 25%, transparent)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--ok) 25%, transparent)" },
  ".cm-panels": { color: "var(--text)", backgroundColor: "var(--sunken)", borderRadius: "var(--radius)" },
  ".cm-panel.cm-search :is(input, button, label)": { fontSize: ".85rem" },
  ".cm-textfield": { color: "var(--text)", backgroundColor: "var(--surface)", border: "1px solid var(--field-line)" },
  ".cm-button": { color: "var(--text)", background: "var(--surface)", border: "1px solid var(--field-line)" },
  ".other-caret": {
    position: "relative",
    borderLeft: "2px solid var(--caret)",
    marginInline: "-1px",
    wordBreak: "normal",
  },
  ".other-caret > span": {
    position: "absolute",
    insetBlockEnd: "100%",
    insetInlineStart: "-2px",
    padding: "0 .35em",
    color: "#fff",
    backgroundColor: "var(--caret)",
    borderRadius: "4px 4px 4px 0",
    font: "600 .7rem/1.4 var(--font)",
    whiteSpace: "nowrap",
    pointerEvents: "none",
    zIndex: "2",
  },
});

const words = HighlightStyle.define([
  { tag: [tags.keyword, tags.tagName, tags.link, tags.url], color: "var(--accent-strong)" },
  { tag: [tags.string, tags.special(tags.string), tags.inserted], color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.null, tags.meta, tags.annotation], color: "var(--warn)" },
  { tag: [tags.comment, tags.quote, tags.processingInstruction], color: "var(--muted)" },
  { tag: tags.comment, fontStyle: "italic" },
  { tag: [tags.heading, tags.strong, tags.definition(tags.variableName)], fontWeight: "600" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
  { tag: [tags.invalid, tags.deleted], color: "var(--error)" },
]);

export const theme = [looks, syntaxHighlighting(words)];
