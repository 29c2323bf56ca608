import { WaybillError } from '@waybill/contracts';

/** Codes of {@link CaError}. */
export type CaErrorCode =
  | 'CA_HOST_INVALID'
  | 'CA_FILE_MISSING'
  | 'CA_FILE_UNREADABLE'
  | 'CA_FILE_UNWRITABLE'
  | 'CA_CERTIFICATE_INVALID'
  | 'CA_KEY_INVALID'
  | 'CA_KEY_UNSUPPORTED'
  | 'CA_KEY_MISMATCH'
  | 'CA_EXPIRED'
  | 'CA_VALIDITY_INVALID';

/** A root CA that cannot be used, or a host that no leaf is made for. */
export class CaError extends WaybillError<CaErrorCode> {}
