import type { PartConfig, PluginName } from '@waybill/contracts';

/** The part of a plugin. */
export type PartOf<Name extends PluginName> = Extract<PartConfig, { plugin: Name }>;
