export { type BypassRule, bypassReason, bypassRules } from './bypass-variables.js';
export { ClientSetupError, type ClientSetupErrorCode } from './client-setup-error.js';
export {
  applyClientSetup,
  type ClientSetup,
  type ClientSetupOptions,
  createClientSetup,
} from './create-client-setup.js';
export type { ClientProbe, ProbePlace } from './probes/client-probe.js';
export { clientProbes } from './probes/client-probes.js';
