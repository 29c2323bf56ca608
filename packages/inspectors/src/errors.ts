import { WaybillError } from '@waybill/contracts';

/** Codes of {@link InspectorError}. */
export type InspectorErrorCode =
  | 'INSPECTOR_DUPLICATE_ID'
  | 'INSPECTOR_CATALOG_UNKNOWN'
  | 'INSPECTOR_CATALOG_INVALID'
  | 'INSPECTOR_TIMEOUT'
  | 'INSPECTOR_ABORTED'
  | 'INSPECTOR_SCRATCH_FULL'
  | 'INSPECTOR_PROGRAM_FAILED';

/** What keeps an inspector from an opinion; the runner turns it into `Rejected`. */
export class InspectorError extends WaybillError<InspectorErrorCode> {}
