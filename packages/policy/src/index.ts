export { type Acl, type AclRule, parseAcl } from './acl.js';
export { type Decision, decideArtifact, decideRequest } from './decide.js';
export { createEgressGuard, type EgressGuardOptions } from './egress-guard.js';
export { normalizeUrl } from './normalize-url.js';
export { PolicyError, type PolicyErrorCode } from './policy-error.js';
export { createRequestPolicy, defaultRequestBounds } from './request-policy.js';
export { compileUrlGlob, type UrlGlob, urlGlobWarning } from './url-glob.js';
