export { CaError, type CaErrorCode } from './ca-error.js';
export { type CaFinding, checkRootCa } from './check-root-ca.js';
export { type CreateRootCaOptions, createRootCa } from './create-root-ca.js';
export { type LeafHost, parseLeafHost } from './host-name.js';
export {
  createLeafIssuer,
  type LeafIssuerOptions,
  type LeafIssuerStats,
  type RootedLeafIssuer,
} from './leaf-issuer.js';
export { parseRootCa, type RootCa, type RootCaOrigin } from './root-ca.js';
export {
  loadOrCreateRootCa,
  loadRootCa,
  type RootCaFiles,
  type RootCaLocation,
  rootCaFilesIn,
  rotateRootCa,
  saveRootCa,
} from './root-ca-files.js';
