import type { ReportArtifact, ReportDownload, Result } from '@waybill/contracts';
import type { Reading } from './history.js';

/** A record of an exchange as a report tells it. */
export interface Entry {
  readonly list: 'download' | 'response' | 'refusal' | 'failure';
  /** `User-Agent`: the attempt that it belongs to. */
  readonly attempt: string;
  readonly method: string;
  readonly url: string;
  readonly status: number;
  /** RFC 3339. */
  readonly time: string;
  readonly sha256: string | undefined;
  readonly size: number | undefined;
  readonly result: Result | undefined;
  /** Whether the body was meant to reach the client. */
  readonly isDelivered: boolean;
  /** Fetched by the proxy itself on behalf of the attempt, such as the index of what was asked for. */
  readonly isCompanion: boolean;
  readonly delivery: string | undefined;
  readonly phase: string | undefined;
  readonly artifact: ReportArtifact | undefined;
}

/** Every record of a reading. */
export function entriesOf({ report }: Reading): Entry[] {
  const downloads = report.artifacts.flatMap((artifact) =>
    artifact.downloads.map((download) => ({
      ...exchangeEntry(download),
      list: 'download' as const,
      sha256: artifact.metadata.sha256,
      size: artifact.metadata.size,
      artifact,
    })),
  );
  const responses = (report.responses ?? []).map((response) => ({
    ...exchangeEntry(response),
    list: 'response' as const,
    sha256: response.sha256,
    size: response.size,
    artifact: undefined,
  }));
  const stopped = (['refusal', 'failure'] as const).flatMap((list) =>
    (report[`${list}s`] ?? []).map((record) => ({
      list,
      attempt: record['user-agent'],
      method: record.method,
      url: record.url,
      status: record['status-code'],
      time: record.time,
      sha256: record.sha256,
      size: record.size,
      result: undefined,
      isDelivered: record.delivered,
      isCompanion: false,
      delivery: undefined,
      phase: record.phase,
      artifact: undefined,
    })),
  );
  return [...downloads, ...responses, ...stopped];
}

function exchangeEntry(download: ReportDownload): Omit<Entry, 'list' | 'sha256' | 'size' | 'artifact'> {
  const { delivery } = download;
  return {
    attempt: download['user-agent'],
    method: download.method,
    url: download.url,
    status: download['status-code'],
    time: download['end-time'],
    result: download.result,
    isDelivered: delivery !== 'withheld' && delivery !== 'none' && delivery !== 'companion',
    isCompanion: delivery === 'companion',
    delivery,
    phase: undefined,
  };
}

/** The same record in another reading has the same text. */
export function identityOf({ list, attempt, method, url, status, time, sha256, delivery }: Entry): string {
  return JSON.stringify([list, attempt, method, url, status, time, sha256, delivery]);
}
