import type { JupyterFrontEnd } from "@jupyterlab/application";
import { EditorExtensionRegistry, IEditorExtensionRegistry } from "@jupyterlab/codemirror";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import type { Contents, ContentsManager, Drive } from "@jupyterlab/services";
import type { IStatusBar } from "@jupyterlab/statusbar";
import { YNotebook } from "@jupyter/ydoc";
import type { ISignal } from "@lumino/signaling";
import { remoteUserCursors } from "@jupyter/collaboration/lib/cursors";

import { IRooms } from "../editingTogether";
import { request, RequestError } from "../requests";
import { showStatus } from "../simpleView";
import { askRoomsOfModels, RoomDocuments } from "./documents";
import { RoomMessages } from "./messages";
import { Room } from "./room";
import { markCells, Runners } from "./runners";
import { RoomStatus } from "./statusItem";

/** By which the document registry finds `RoomDocuments`. */
const PROVIDER = "collaboratory-rooms";
/** Views whose document is shared: others read what is on disk when they are opened. */
const VIEWS = new Set(["Notebook", "Editor", "Markdown Preview"]);

/** What the rooms need of JupyterLab. */
export interface IParts {
  statusBar: IStatusBar | null;
  notebooks: INotebookTracker | null;
  editorExtensions: IEditorExtensionRegistry | null;
}

/** From now on documents of the Drive are opened in rooms. Null where this JupyterLab cannot. */
export function openInRooms(app: JupyterFrontEnd, { statusBar, notebooks, editorExtensions }: IParts): IRooms | null {
  const drive = (app.serviceManager.contents as ContentsManager).defaultDrive as Drive | undefined;
  if (!drive?.contentProviderRegistry) {
    return null;
  }
  const documents = new RoomDocuments(drive);
  askRoomsOfModels(app.docRegistry, documents);
  drive.contentProviderRegistry.register(PROVIDER, documents);
  useFor(app.docRegistry);
  editorExtensions?.addExtension(cursors);
  const runners = new WeakMap<Room, Runners>();
  documents.opened.connect((_, room) => {
    runners.set(room, new Runners(room));
    new RoomMessages(room, () => restore(drive, room));
  });
  notebooks?.widgetAdded.connect((_, panel) => watch(panel, documents, runners));
  showRoom(app.shell, statusBar, documents);
  return {
    isShared: path => documents.at(path)?.isShared ?? false,
    whenConnected: async path => documents.at(path)?.whenConnected(),
    run: (options, run) => {
      const room = documents.of(options.notebook.sharedModel);
      return room?.isShared ? (runners.get(room)?.run(options, run) ?? run(options)) : run(options);
    },
  };
}

/** Also of what is registered later. */
function useFor(registry: DocumentRegistry): void {
  const use = () => {
    for (const factory of registry.widgetFactories()) {
      if (VIEWS.has(factory.name) && !factory.contentProviderId) {
        (factory as { contentProviderId?: string }).contentProviderId = PROVIDER;
      }
    }
  };
  use();
  registry.changed.connect(use);
}

/** Where others have their cursors. */
const cursors = {
  name: "collaboratory-cursors",
  factory: ({ model }: { model: any }) => {
    const { awareness, ysource } = model.sharedModel;
    return awareness
      ? EditorExtensionRegistry.createImmutableExtension(remoteUserCursors({ awareness, ytext: ysource }))
      : null;
  },
};

function watch(panel: NotebookPanel, documents: RoomDocuments, runners: WeakMap<Room, Runners>): void {
  const room = documents.of(panel.context.model.sharedModel);
  if (!room) {
    return;
  }
  // Buttons that run JupyterLab's commands work in notebooks whose person trusts all of it; here others write, too.
  const rendering = panel.content.rendermime as { trustHandler: unknown };
  const { trustHandler } = rendering;
  rendering.trustHandler = null;
  void room.isJoined.then(isJoined => {
    if (!isJoined) {
      rendering.trustHandler = trustHandler;
    }
  });
  const mark = () => markCells(panel.content.widgets, runners.get(room)!);
  room.changed.connect(mark);
  panel.disposed.connect(() => room.changed.disconnect(mark));
}

function showRoom(shell: JupyterFrontEnd.IShell, statusBar: IStatusBar | null, documents: RoomDocuments): void {
  const item = new RoomStatus();
  showStatus(shell, statusBar, "collaboratory:room", {
    item,
    align: "right",
    rank: -90,
    isActive: () => item.isActive,
    activeStateChanged: item.activeChanged as ISignal<any, void>,
  });
  const show = () => {
    const widget = shell.currentWidget as { context?: DocumentRegistry.Context } | null;
    item.setRoom((widget?.context && documents.of(widget.context.model.sharedModel)) ?? null);
  };
  shell.currentChanged?.connect(show);
  documents.opened.connect(show);
}

/** Out of the trash; what was deleted in a Lab is not in it, and is written anew. */
async function restore(drive: Drive, room: Room): Promise<void> {
  try {
    await request("restore", { path: room.path });
  } catch (error) {
    if (!(error instanceof RequestError) || error.status !== 404) {
      throw error;
    }
    const { document } = room;
    const content = document instanceof YNotebook ? document.toJSON() : document.getSource();
    await drive.save(room.path, { type: room.type, format: room.format, content } as Partial<Contents.IModel>);
  }
}
