import { WaybillError } from '@waybill/contracts';

/** Codes of {@link ReceiveError}. */
export type ReceiveErrorCode =
  | 'RECEIVE_UNEXPECTED'
  | 'RECEIVE_NAMESPACE'
  | 'RECEIVE_COMMAND_REFUSED'
  | 'RECEIVE_KEY_UNKNOWN'
  | 'RECEIVE_REPOSITORY'
  | 'RECEIVE_SILENT';

/** What a session over ssh is ended for. */
export class ReceiveError extends WaybillError<ReceiveErrorCode> {}
