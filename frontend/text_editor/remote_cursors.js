/* Carets of other people, as JupyterLab tells them: awareness field `cursors`, relative positions of Yjs.

   Colours are set through CSSOM, never by a style attribute, which the page's Content Security Policy forbids. */
import { Decoration, EditorView, ViewPlugin, WidgetType } from "@codemirror/view";
import {
  createAbsolutePositionFromRelativePosition,
  createRelativePositionFromJSON,
  createRelativePositionFromTypeIndex,
} from "yjs";

class Caret extends WidgetType {
  constructor(name, color) {
    super();
    this.name = name;
    this.color = color;
  }

  eq(other) {
    return other.name === this.name && other.color === this.color;
  }

  toDOM() {
    const caret = document.createElement("span");
    caret.className = "other-caret";
    caret.style.setProperty("--caret", this.color);
    caret.setAttribute("aria-hidden", "true");
    caret.append(document.createElement("span"));
    caret.firstChild.textContent = this.name;
    return caret;
  }

  ignoreEvent() {
    return true;
  }
}

export function remoteCursors(room) {
  const { awareness, text, doc } = room;

  const tell = EditorView.updateListener.of(update => {
    if (!update.selectionSet && !update.docChanged && !update.focusChanged) return;
    const { anchor, head, empty } = update.state.selection.main;
    const at = index => createRelativePositionFromTypeIndex(text, index);
    const cursors = update.view.hasFocus ? [{ anchor: at(anchor), head: at(head), empty, primary: true }] : [];
    // After the change has reached the shared text, whose positions these are.
    queueMicrotask(() => awareness.setLocalStateField("cursors", cursors));
  });

  const show = ViewPlugin.fromClass(
    class {
      constructor(view) {
        this.decorations = this.made(view);
        this.listen = () => view.dispatch({});
        awareness.on("change", this.listen);
      }

      destroy() {
        awareness.off("change", this.listen);
      }

      update(update) {
        this.decorations = this.made(update.view);
      }

      made(view) {
        const carets = [];
        for (const [id, state] of awareness.getStates()) {
          if (id === doc.clientID || !state.user) continue;
          for (const cursor of state.cursors || []) {
            const place = placeOf(cursor.head, doc);
            if (place === null || place > view.state.doc.length) continue;
            const widget = new Caret(state.user.display_name || state.user.name || "", state.user.color || "");
            carets.push(Decoration.widget({ widget, side: 1 }).range(place));
          }
        }
        return Decoration.set(carets, true);
      }
    },
    { decorations: plugin => plugin.decorations },
  );
  return [tell, show];
}

/* Index in the text; null for what others sent that is none. */
function placeOf(position, doc) {
  try {
    return createAbsolutePositionFromRelativePosition(createRelativePositionFromJSON(position), doc)?.index ?? null;
  } catch {
    return null;
  }
}
