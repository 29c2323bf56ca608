import type {
  ArtifactInspection,
  ArtifactMetadata,
  CatalogOffer,
  JsonObject,
  RequestInspection,
  VouchLink,
} from '@waybill/contracts';

/** What an artifact inspection carries beside opinion and reason. */
export interface InspectionDetails {
  readonly metadata?: Partial<ArtifactMetadata> | undefined;
  readonly vouchedBy?: readonly VouchLink[] | undefined;
  readonly provides?: readonly CatalogOffer[] | undefined;
  readonly annotations?: JsonObject | undefined;
  /** The next step for a person, recorded as annotation `hint`. */
  readonly hint?: string | undefined;
}

/** The request is this inspector's; the artifact decides. `expected` reaches the artifact phase and is never recorded. */
export function pending<Expected>(
  reason: string,
  expected: Expected,
  annotations?: JsonObject,
): RequestInspection<Expected> {
  return { opinion: 'Pending', reason, expected, ...(annotations && { annotations }) };
}

/** The request must not go upstream, whoever else claims it. */
export function rejectedRequest(reason: string, annotations?: JsonObject): RequestInspection<never> {
  return { opinion: 'Rejected', reason, ...(annotations && { annotations }) };
}

/** Recognised but deliberately not supported: counts as nobody's. */
export function unknownRequest(reason: string, annotations?: JsonObject): RequestInspection<never> {
  return { opinion: 'Unknown', reason, ...(annotations && { annotations }) };
}

/** The bytes are what they should be. */
export function approved(reason: string, details: InspectionDetails = {}): ArtifactInspection {
  return inspection('Approved', reason, details);
}

/** The bytes are not what they should be. `reason` says what was found and what was wanted. */
export function rejected(reason: string, details: InspectionDetails = {}): ArtifactInspection {
  return inspection('Rejected', reason, details);
}

/** Nothing against the bytes, but another inspector must recognise them (chain validators), or nobody knows them. */
export function unknown(reason: string, details: InspectionDetails = {}): ArtifactInspection {
  return inspection('Unknown', reason, details);
}

function inspection(
  opinion: ArtifactInspection['opinion'],
  reason: string,
  { hint, annotations, ...details }: InspectionDetails,
): ArtifactInspection {
  const notes = hint === undefined ? annotations : { ...annotations, hint };
  return { opinion, reason, ...(notes && { annotations: notes }), ...details };
}
