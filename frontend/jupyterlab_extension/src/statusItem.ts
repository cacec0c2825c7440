import { Widget } from "@lumino/widgets";

import { Lab } from "./lab";

/** The status bar's item: state or time left, and who else works in the same library. */
export class StatusItem extends Widget {
  constructor(private readonly lab: Lab) {
    super();
    this.addClass("jp-StatusBar-TextItem");
    this.node.setAttribute("role", "status");
    lab.changed.connect(this.draw, this);
    this.draw();
  }

  private draw(): void {
    const { state, coworkers } = this.lab;
    const company = coworkers.length ? ` · with ${coworkers.map(({ name }) => name).join(", ")}` : "";
    const lines = coworkers.map(({ name, path }) => `${name} works on ${path}.`);
    this.node.textContent = `Lab${this.suffix()}${company}`;
    this.node.title = state ? [state.sentence, ...lines].join("\n") : "";
  }

  private suffix(): string {
    const { state, isSignedOut, secondsLeft } = this.lab;
    if (isSignedOut) {
      return ": signed out";
    }
    if (!state) {
      return "";
    }
    return `: ${state.running ? `${duration(secondsLeft)} left` : state.state}`;
  }
}

/** "11 h", "90 min", "less than 1 min". */
function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) {
    return "less than 1 min";
  }
  return minutes >= 120 ? `${Math.floor(minutes / 60)} h` : `${minutes} min`;
}
