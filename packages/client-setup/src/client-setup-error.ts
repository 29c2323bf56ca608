import { WaybillError } from '@waybill/contracts';

/** Codes of {@link ClientSetupError}. */
export type ClientSetupErrorCode =
  | 'SETUP_PROXY_INVALID'
  | 'SETUP_CA_INVALID'
  | 'SETUP_ROOTS_INVALID'
  | 'SETUP_WRITE_FAILED';

/** A build environment that cannot be prepared. */
export class ClientSetupError extends WaybillError<ClientSetupErrorCode> {}
