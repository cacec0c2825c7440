import { DefaultSchemaValidator, ISchemaValidator, ISettingRegistry } from "@jupyterlab/settingregistry";

import { Schema, schemaDefaults } from "./schemaDefaults";

/**
 * Has JupyterLab take settings that nobody has changed from their schemas, without a validator for each.
 *
 * JupyterLab compiles two for each of fifty schemas before it shows anything: a quarter of a second of the browser. It is
 * done as before for settings that somebody has changed or is about to change, and for schemas that are not understood.
 * Takes effect where this module is loaded before JupyterLab's registry of settings is made, as extensions are.
 */
export function takePristineSettingsFromSchemas(): void {
  const validator = DefaultSchemaValidator?.prototype;
  const validateData = validator?.validateData;
  if (!validateData) {
    return; // a JupyterLab that does this differently
  }
  validator.validateData = function (
    this: DefaultSchemaValidator,
    plugin: ISettingRegistry.IPlugin,
    populate = true,
  ): ISchemaValidator.IError[] | null {
    const composite = plugin.raw.trim() === "{}" ? schemaDefaults(plugin.schema as Schema) : null;
    if (!composite) {
      return validateData.call(this, plugin, populate);
    }
    if (populate) {
      plugin.data = { composite: composite as ISettingRegistry.ISettingBundle["composite"], user: {} };
    }
    return null;
  };
}
