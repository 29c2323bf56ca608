import type { PartConfig, PluginName } from '@waybill/contracts';
import { dump } from './dump.js';
import { make } from './make.js';
import { nil } from './nil.js';
import { npm } from './npm.js';
import type { Plugin } from './plugin.js';

const plugins: { readonly [Name in PluginName]: Plugin<Extract<PartConfig, { plugin: Name }>> } = {
  nil,
  dump,
  make,
  npm,
};

/** The plugin of a part. */
export function pluginOf(part: PartConfig): Plugin {
  return plugins[part.plugin] as Plugin;
}
