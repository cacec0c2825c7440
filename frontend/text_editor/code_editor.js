/* CodeMirror in the place of a textarea, which keeps the text for the form. */
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, StateEffect } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";

import { languageOf } from "./languages.js";
import { theme } from "./theme.js";

export class CodeEditor {
  /* `textarea` is followed by the editor, and hidden. It stands in a shadow root: there CodeMirror's styles are
     constructed ones, which the page's Content Security Policy lets pass. */
  constructor(textarea) {
    this.textarea = textarea;
    this.extra = new Compartment();
    const label = document.querySelector(`label[for="${textarea.id}"]`);
    const host = document.createElement("div");
    host.className = "code-editor";
    textarea.after(host);
    const root = host.attachShadow({ mode: "open" });
    this.view = new EditorView({ parent: root, root, state: this.stateOf(textarea.value, label.textContent) });
    label.remove();
    textarea.hidden = true;
  }

  stateOf(text, label) {
    return EditorState.create({
      doc: text,
      extensions: [
        this.extra.of(history()),
        lineNumbers(),
        drawSelection(),
        highlightActiveLine(),
        bracketMatching(),
        indentOnInput(),
        indentUnit.of("    "),
        EditorView.lineWrapping,
        search({ top: true }),
        highlightSelectionMatches(),
        // Escape, then Tab leaves the editor (https://codemirror.net/examples/tab/).
        keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, indentWithTab]),
        EditorView.contentAttributes.of({ "aria-label": label, autocapitalize: "off", spellcheck: "false" }),
        EditorView.updateListener.of(update => update.docChanged && this.keep()),
        languageOf(document.getElementById("editor").dataset.name),
        theme,
      ],
    });
  }

  /* The form's copy of the text; who looks at the form hears of it. */
  keep() {
    this.textarea.value = this.text;
    this.textarea.dispatchEvent(new Event("input", { bubbles: true }));
  }

  get text() {
    return this.view.state.doc.toString();
  }

  set text(text) {
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
  }

  /* One more extension, for good. */
  add(extension) {
    this.view.dispatch({ effects: StateEffect.appendConfig.of(extension) });
  }

  /* Replace the text and the history by those of a shared document: its extensions follow it from here on. */
  share(text, extensions) {
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: text },
      effects: this.extra.reconfigure([]),
    });
    this.view.dispatch({ effects: this.extra.reconfigure(extensions) });
  }

  /* Go on alone from the text as it stands; `extensions` say how. */
  leave(extensions) {
    this.view.dispatch({ effects: this.extra.reconfigure(extensions) });
  }

  focus() {
    this.view.focus();
  }
}
