import type { PartConfig, PluginName } from '@waybill/contracts';
import { autotools } from './autotools.js';
import { cmake } from './cmake.js';
import { dump } from './dump.js';
import { go } from './go.js';
import { gradle } from './gradle.js';
import { make } from './make.js';
import { maven } from './maven.js';
import { meson } from './meson.js';
import { nil } from './nil.js';
import { npm } from './npm.js';
import type { PartOf } from './part-of.js';
import type { Plugin } from './plugin.js';
import { python } from './python.js';
import { rust } from './rust.js';
import { uv } from './uv.js';

const plugins: { readonly [Name in PluginName]: Plugin<PartOf<Name>> } = {
  nil,
  dump,
  make,
  cmake,
  autotools,
  meson,
  npm,
  python,
  uv,
  go,
  rust,
  maven,
  gradle,
};

/** The plugin of a part. */
export function pluginOf(part: PartConfig): Plugin {
  return plugins[part.plugin] as Plugin;
}
