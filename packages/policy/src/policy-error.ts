import { WaybillError } from '@waybill/contracts';

/** Codes of {@link PolicyError}. */
export type PolicyErrorCode = 'POLICY_GLOB_INVALID' | 'POLICY_URL_UNSUPPORTED' | 'POLICY_ACL_INVALID';

/** A glob, URL or access list that cannot be decided with. */
export class PolicyError extends WaybillError<PolicyErrorCode> {}
