import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import type { ServerConnection } from "@jupyterlab/services";
import type { Message } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";

const MIME_TYPE = "application/vnd.plotly.v1+json";
/** Of the plotly that the Lab's environment has now (lab/supervisor/inside/plotly_script.py). */
const SCRIPT = "api/collaboratory/plotly.js";
const HEIGHT = 360;

/** What we use of plotly.js. */
interface IPlotly {
  react(node: HTMLElement, data: unknown, layout: unknown, config: unknown): Promise<unknown>;
  addFrames(node: HTMLElement, frames: unknown): Promise<unknown>;
  purge(node: HTMLElement): void;
  Plots: { resize(node: HTMLElement): void };
}

interface IFigure {
  data?: unknown;
  layout?: { height?: number };
  config?: unknown;
  frames?: unknown;
}

/**
 * Draws figures of Plotly, also where it was installed after the page was loaded.
 *
 * Plotly's own extension brings 4.8 MB that JupyterLab loads before it opens anything; the server leaves it out, and the
 * script is loaded here with the first figure.
 */
export const plotlyPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:plotly",
  description: "Draws figures of Plotly, whose script is loaded when it is needed.",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (app: JupyterFrontEnd, registry: IRenderMimeRegistry) => {
    const { serverSettings } = app.serviceManager;
    registry.addFactory({
      safe: true, // as Plotly's own says: a figure is data, and its texts are made safe
      mimeTypes: [MIME_TYPE],
      defaultRank: 0,
      createRenderer: () => new PlotlyFigure(serverSettings),
    });
  },
};

class PlotlyFigure extends Widget implements IRenderMime.IRenderer {
  constructor(private readonly settings: ServerConnection.ISettings) {
    super();
    this.addClass("collaboratory-Plotly");
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { data, layout = {}, config, frames } = model.data[MIME_TYPE] as unknown as IFigure;
    try {
      this._plotly = await load(this.settings);
    } catch (error) {
      this.node.textContent = `${(error as Error).message} The figure cannot be drawn without it.`;
      return;
    }
    await this._plotly.react(this.node, data, { ...layout, height: layout.height ?? HEIGHT }, config);
    if (frames) {
      await this._plotly.addFrames(this.node, frames);
    }
    this.update();
  }

  dispose(): void {
    this._plotly?.purge(this.node);
    super.dispose();
  }

  protected onAfterShow(): void {
    this.update();
  }

  protected onResize(): void {
    this.update();
  }

  protected onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    if (this.isVisible && this.node.offsetWidth) {
      this._plotly?.Plots.resize(this.node);
    }
  }

  private _plotly?: IPlotly;
}

let loading: Promise<IPlotly> | undefined;

/** Once in a page; again where it failed, as plotly may be installed meanwhile. */
function load(settings: ServerConnection.ISettings): Promise<IPlotly> {
  loading ??= new Promise<IPlotly>((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${settings.baseUrl}${SCRIPT}`;
    script.onload = () => resolve((window as unknown as { Plotly: IPlotly }).Plotly);
    script.onerror = () => reject(new Error("The package plotly is not installed in this Lab's environment."));
    document.head.append(script);
  }).catch(error => {
    loading = undefined;
    throw error;
  });
  return loading;
}
