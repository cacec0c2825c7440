import { ISignal, Signal } from "@lumino/signaling";

import { isEditedTogether } from "./editingTogether";
import { ICoworker, ILabState, request, RequestError } from "./requests";

const POLL_MS = 60 * 1000;
/** While it does not run: somebody may just be starting it in another tab. */
const POLL_WHILE_OFF_MS = 10 * 1000;

/** The Lab's state, asked of the portal again and again. */
export class Lab {
  /** `pathInFront`: of the document that its person looks at, below the home. */
  constructor(private readonly pathInFront: () => string) {}

  /** What the portal said last; null before its first answer. */
  get state(): ILabState | null {
    return this._state;
  }

  /** Who else works in the library in front; without those who are in a room with this page, which shows them. */
  get coworkers(): readonly ICoworker[] {
    return this._coworkers;
  }

  get isSignedOut(): boolean {
    return this._isSignedOut;
  }

  get isRunning(): boolean {
    return this._state?.running ?? false;
  }

  get secondsLeft(): number {
    return (this._state?.seconds_left ?? 0) - (Date.now() - this._answeredAt) / 1000;
  }

  /** Something that is shown may have changed. */
  get changed(): ISignal<Lab, void> {
    return this._changed;
  }

  /** The portal answered; with the state before. */
  get answered(): ISignal<Lab, ILabState | null> {
    return this._answered;
  }

  /** The sign-in has ended. */
  get signedOut(): ISignal<Lab, void> {
    return this._signedOut;
  }

  /** Ask now, and again later, sooner where somebody waits for it. Whether an answer came. */
  async refresh(more: Record<string, string> = {}): Promise<boolean> {
    let isAnswered = true;
    try {
      this.take(await request("state", { path: this.pathInFront(), ...more }));
    } catch (error) {
      isAnswered = error instanceof RequestError && error.status === 401;
      this.fail(isAnswered); // else the portal is away; the next try may do
    }
    clearTimeout(this._timer);
    const isCalm = document.hidden || (this.isRunning && !this._isSignedOut);
    this._timer = window.setTimeout(() => this.refresh(), isCalm ? POLL_MS : POLL_WHILE_OFF_MS);
    return isAnswered;
  }

  /** Keep it for so many hours from now; how long it stays then, in a sentence. */
  async keep(hours: number): Promise<string> {
    const state = await request("keep", { hours: `${hours}` });
    this.take(state);
    return state.sentence;
  }

  /** Have notebooks open in the simple view from now on, or in JupyterLab. */
  async chooseView(isSimple: boolean): Promise<void> {
    this.take(await request("notebook-view", { view: isSimple ? "simple" : "jupyterlab" }));
  }

  /** Stop it; the address of the portal's page about it. */
  async stop(): Promise<string> {
    return (await request("stop")).portal_lab;
  }

  private take(state: ILabState): void {
    const before = this._state;
    this._state = state;
    this._answeredAt = Date.now();
    this._isSignedOut = false;
    this._coworkers = state.others?.filter(other => !this.isInRoomWith(other)) ?? this._coworkers;
    this._changed.emit();
    this._answered.emit(before);
  }

  private isInRoomWith({ same_file }: ICoworker): boolean {
    return same_file && isEditedTogether(this.pathInFront());
  }

  private fail(isSignedOut: boolean): void {
    const isNews = isSignedOut && !this._isSignedOut;
    this._isSignedOut ||= isSignedOut;
    this._changed.emit();
    if (isNews) {
      this._signedOut.emit();
    }
  }

  private _state: ILabState | null = null;
  private _coworkers: ICoworker[] = [];
  private _isSignedOut = false;
  private _answeredAt = 0;
  private _timer = 0;
  private readonly _changed = new Signal<Lab, void>(this);
  private readonly _answered = new Signal<Lab, ILabState | null>(this);
  private readonly _signedOut = new Signal<Lab, void>(this);
}
