import { YFile, YNotebook } from "@jupyter/ydoc";
import type { YDocument } from "@jupyter/ydoc";
import { PathExt } from "@jupyterlab/coreutils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import { NotebookModel } from "@jupyterlab/notebook";
import type { Contents, Drive, IContentProvider } from "@jupyterlab/services";
import { ISignal, Signal } from "@lumino/signaling";

import { Room } from "./room";
import { ISession, requestSession } from "./session";
import { distrustOthers } from "./trust";

/** Of paths below the home: only what is in the Drive is edited together. */
const DRIVE = "drive/";
/** For so long the session of a notebook that is about to be opened is kept. */
const EXPECTED_MS = 5 * 1000;

/** Documents that are edited together, by the way JupyterLab opens and saves them. */
export class RoomDocuments implements IContentProvider {
  constructor(private readonly drive: Drive) {
    drive.fileChanged.connect((_, change) => this.onFileChanged(change));
    this.expectNotebooks();
  }

  /** The room of the document at `path` below the home; undefined where none was asked for. */
  at(path: string): Room | undefined {
    return this._rooms.get(path);
  }

  /** The room of a document as JupyterLab's models have it; undefined where none was asked for. */
  of(document: unknown): Room | undefined {
    return this._ofDocument.get(document as object);
  }

  get opened(): ISignal<RoomDocuments, Room> {
    return this._opened;
  }

  /** Files that were renamed or moved by somebody else. */
  get fileChanged(): ISignal<RoomDocuments, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  /** JupyterLab asks it for the document of each context that is made. */
  readonly sharedModelFactory: Contents.ISharedFactory = {
    collaborative: true,
    createNew: options => this.create(options),
  };

  /** Ask for a room at once; the document is empty until `get` answers. */
  private create({ path, format, contentType }: Contents.ISharedFactoryOptions): YDocument<any> | undefined {
    if (!path.startsWith(DRIVE) || !format || this._rooms.has(path)) {
      return undefined;
    }
    const kind = `${format}:${contentType}`;
    const document =
      kind === "json:notebook"
        ? new YNotebook({ disableDocumentWideUndoRedo: true })
        : kind === "text:file"
          ? new YFile()
          : undefined;
    if (document) {
      const session = kind === "json:notebook" ? this._expected.get(path) : undefined;
      this._expected.delete(path);
      this.add(new Room(path, format, contentType, document, session));
    }
    return document;
  }

  /**
   * JupyterLab asks three times what kind of file it is before it makes the document of a notebook. The session is
   * asked for beside the first time, so that the room answers as soon as a file without one would be read.
   */
  private expectNotebooks(): void {
    const get = this.drive.get.bind(this.drive);
    this.drive.get = (path, options) => {
      if (options?.content === false && path.startsWith(DRIVE) && path.endsWith(".ipynb")) {
        this.expect(path);
      }
      return get(path, options);
    };
  }

  private expect(path: string): void {
    if (this._rooms.has(path) || this._expected.has(path)) {
      return;
    }
    const session = requestSession(path, "json", "notebook");
    this._expected.set(path, session);
    const forget = () => {
      if (this._expected.get(path) === session) {
        this._expected.delete(path);
      }
    };
    session.catch(forget); // the room asks again, and says why there is none
    setTimeout(forget, EXPECTED_MS);
  }

  /** What JupyterLab knows of a file. The content of a document in a room is not in it: the room has sent it. */
  async get(path: string, options: Contents.IFetchOptions = {}): Promise<Contents.IModel> {
    const rest = { ...options, contentProviderId: undefined };
    const room = this._rooms.get(path);
    if (!room) {
      return this.drive.get(path, rest);
    }
    const about = this.about(room);
    if (!(await room.isJoined)) {
      return this.drive.get(path, rest);
    }
    return { ...(await about), path, name: PathExt.basename(path), format: options.format ?? null };
  }

  async save(path: string, options: Partial<Contents.IModel> = {}): Promise<Contents.IModel> {
    const room = this._rooms.get(path);
    if (!room?.isShared) {
      return this.drive.save(path, { ...options, contentProviderId: undefined } as Partial<Contents.IModel>);
    }
    await room.save();
    return this.get(path, { type: options.type, format: options.format ?? undefined, content: false });
  }

  /**
   * The file as it was opened, for as long as it is: JupyterLab looks by time or hash whether somebody else has
   * written it, and asks what to do. Here the room merges that.
   */
  private about(room: Room): Promise<Contents.IModel> {
    let about = this._about.get(room);
    if (!about) {
      const type = room.type as Contents.ContentType;
      about = this.drive.get(room.path, { type, content: false });
      about.catch(() => this._about.delete(room));
      this._about.set(room, about);
    }
    return about;
  }

  private add(room: Room): void {
    this._rooms.set(room.path, room);
    this._ofDocument.set(room.document, room);
    room.moved.connect((_, before) => void this.tellMove(room, before));
    room.document.disposed.connect(() => {
      if (this._rooms.get(room.path) === room) {
        this._rooms.delete(room.path);
      }
    });
    this._opened.emit(room);
  }

  /** Somebody moved the file: JupyterLab's tab and kernel follow as if it was done here. */
  private async tellMove(room: Room, before: string): Promise<void> {
    this._rooms.delete(before);
    this._rooms.set(room.path, room);
    const newValue = await this.drive.get(room.path, { content: false });
    this._fileChanged.emit({ type: "rename", oldValue: { path: before }, newValue });
  }

  /** Moved here, the file itself or a folder around it. */
  private onFileChanged({ type, oldValue, newValue }: Contents.IChangedArgs): void {
    const [before, after] = [oldValue?.path, newValue?.path];
    if (type !== "rename" || !before || !after) {
      return;
    }
    for (const [path, room] of [...this._rooms]) {
      if (path === before || path.startsWith(`${before}/`)) {
        this._rooms.delete(path);
        room.setPath(after + path.slice(before.length));
        this._rooms.set(room.path, room);
      }
    }
  }

  private readonly _rooms = new Map<string, Room>();
  private readonly _ofDocument = new WeakMap<object, Room>();
  private readonly _expected = new Map<string, Promise<ISession>>();
  private readonly _about = new WeakMap<Room, Promise<Contents.IModel>>();
  private readonly _opened = new Signal<RoomDocuments, Room>(this);
  private readonly _fileChanged = new Signal<RoomDocuments, Contents.IChangedArgs>(this);
}

/**
 * Whether a model is collaborative JupyterLab asks when it makes it, which is before the room has answered: from now
 * on it asks the room each time.
 */
export function askRoomsOfModels(registry: DocumentRegistry, documents: RoomDocuments): void {
  for (const name of ["notebook", "text"]) {
    const factory = registry.getModelFactory(name);
    const createNew = factory?.createNew.bind(factory);
    if (factory && createNew) {
      factory.createNew = (options = {}) => {
        const model = createNew(options);
        const room = options.sharedModel && documents.of(options.sharedModel);
        return room ? ofRoom(model, room) : model;
      };
    }
  }
}

function ofRoom(model: DocumentRegistry.IModel, room: Room): DocumentRegistry.IModel {
  Object.defineProperty(model, "collaborative", { get: () => room.isShared });
  let isDirty = model.dirty;
  room.changed.connect(() => {
    if (model.dirty !== isDirty) {
      const change = { name: "dirty", oldValue: isDirty, newValue: model.dirty };
      isDirty = model.dirty;
      (model.stateChanged as Signal<unknown, unknown>).emit(change);
    }
  });
  if (model instanceof NotebookModel) {
    distrustOthers(model, room);
  }
  return model;
}
