import type { Delivery, DownloadRecord, Result, StoredArtifact } from '@waybill/contracts';

/** Deliveries that end with the bytes at the client. */
const completing: ReadonlySet<Delivery> = new Set([
  'held',
  'streamed',
  'early-headers',
  'reused',
  'revalidated',
  'answered',
]);

/**
 * Makes one artifact of its downloads, oldest first: the latest approved download speaks for it, or the latest one when
 * none was approved; it is Approved when one was and no rejected one reached the client.
 */
export function mergeArtifact(downloads: readonly DownloadRecord[]): StoredArtifact {
  const approved = downloads.filter((download) => download.result === 'Approved');
  const deciding = approved.at(-1) ?? downloads.at(-1);
  if (!deciding) throw new RangeError('an artifact has at least one download');
  const result: Result = approved.length > 0 && !downloads.some(isRejectedDelivery) ? 'Approved' : 'Rejected';
  const { metadata, requestInspection, responseInspection, vouchedBy } = deciding;
  return { metadata, requestInspection, responseInspection, result, vouchedBy, downloads };
}

function isRejectedDelivery(download: DownloadRecord): boolean {
  if (download.result === 'Approved') return false;
  return download.refusal ? download.refusal.delivered : completing.has(download.delivery);
}
