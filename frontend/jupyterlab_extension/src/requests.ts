/* Requests to the portal through the Lab's own origin, at /.collaboratory/ (lab/gateway/views_panel.py). */

/** The Lab of the person whose JupyterLab this is, as the portal answers. Addresses are absolute. */
export interface ILabState {
  running: boolean;
  /** "starting", "closing" or "stopped" of a Lab that does not run. */
  state: string;
  /** Why it ended, in a sentence; empty while it runs, or is about to. */
  ended: string;
  /** Until it stops unless somebody uses it; 0 where it does not run. */
  seconds_left: number;
  /** The same as an ISO 8601 time, to the minute. */
  stops_at: string;
  /** How long it stays, in a sentence. */
  sentence: string;
  /** What it says before it stops. */
  warning: string;
  /** How many seconds before the end that is to be said. */
  warn_before: number;
  /** What its person should know, such as a limit that was reached. */
  notes: string[];
  /** For how many hours it can be kept. */
  keep: number[];
  /** Who works in the same library; absent where no path was said. */
  others?: ICoworker[];
  other_environment?: IOtherEnvironment | null;
  packages?: IPackagesQuestion | null;
  /** What its person's notebooks open in; empty where there is no choice. */
  notebook_view: "jupyterlab" | "simple" | "";
  place_name: string;
  place_url: string;
  portal_lab: string;
  portal_open: string;
}

/** Somebody else with a file of the same library in front. */
export interface ICoworker {
  name: string;
  /** In the library. */
  path: string;
  same_file: boolean;
}

/** The Collab in front is made for another environment than this Lab runs in. */
export interface IOtherEnvironment {
  said: string;
  /** Query of the portal's page that opens it there. */
  link: Record<string, string>;
}

/** The Collab in front has packages that its person has not said yes or no to. */
export interface IPackagesQuestion {
  said: string;
  /** Of the portal's page that asks. */
  url: string;
}

/** An answer other than 2xx. */
export class RequestError extends Error {
  /** `said`: by the portal, for people; empty where something else answered. */
  constructor(
    readonly status: number,
    readonly said = "",
  ) {
    super(said || `The portal answered ${status}.`);
  }
}

/** One request; RequestError for a refusal, TypeError when nobody answers. */
export async function request(
  what: "state" | "keep" | "stop" | "restore" | "notebook-view",
  fields: Record<string, string> = {},
): Promise<ILabState> {
  const answer = await fetch(`/.collaboratory/${what}`, { method: "POST", body: new URLSearchParams(fields) });
  if (!answer.ok) {
    throw new RequestError(
      answer.status,
      await answer
        .json()
        .then(({ message }) => message)
        .catch(() => ""),
    );
  }
  return answer.json();
}
