import { createHash } from 'node:crypto';
import type { ReportArtifact, ReportDownload, ReportRefusal, SessionReport } from '@waybill/contracts';

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A download with the artifact it brought. */
export interface ReportedDownload extends ReportDownload {
  readonly artifact: ReportArtifact;
}

/** Every download of a report, in order of its URL. */
export function downloadsOf(report: SessionReport): ReportedDownload[] {
  return report.artifacts
    .flatMap((artifact) => artifact.downloads.map((download) => ({ ...download, artifact })))
    .sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0));
}

/** The one artifact that was downloaded from a URL (as reports spell it) or from the URL with that ending. */
export function artifactAt(report: SessionReport, url: string): ReportArtifact {
  const found = report.artifacts.filter(({ downloads }) => downloads.some((download) => download.url.endsWith(url)));
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} artifacts come from ${url}, expected one`);
  return found[0];
}

/** What is said of each URL that was not let through: `phase path: reason`. */
export function refusedPaths(report: SessionReport): string[] {
  return [...report.refusals, ...report.failures].map(({ phase, url }) => `${phase} ${pathOf(url)}`);
}

/** A verdict without what differs from run to run. */
export function verdictOf({ phase, url, reason, inspector, hint, sha256: digest, size }: ReportRefusal) {
  return { phase, url, reason, inspector, hint, sha256: digest, size };
}

export function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** A chain of vouches as text, nearest first: `npm.packument:<name> ← origin:<path>`. */
export function chainsOf(artifact: ReportArtifact): string[] {
  return artifact['vouched-by'].map((chain) =>
    chain.map(({ kind, inspector, name }) => `${inspector ?? kind}:${name}`).join(' ← '),
  );
}
