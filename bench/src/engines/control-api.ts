import type { InspectorsConfigInput, SessionPolicy, SessionReport } from '@waybill/contracts';
import { BenchError } from '../bench-error.ts';

export interface Session {
  readonly id: string;
  readonly token: string;
}

export interface ReportCounts {
  /** Downloads with status 200. */
  readonly downloads: number;
  /** Those of them whose artifact is not `Approved`. */
  readonly rejected: number;
}

/** The part of fetch-service's control API that the benchmark needs. */
export interface ControlApi {
  createSession(policy: SessionPolicy, config: InspectorsConfigInput): Promise<Session>;
  /** Revokes the token and reads the report. */
  closeSession(session: Session): Promise<ReportCounts>;
}

/** @param auth `user:password` */
export function createControlApi(url: string, auth: string): ControlApi {
  const authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
  const call = async (method: string, path: string, body?: unknown): Promise<string> => {
    const init = { method, headers: { authorization }, body: body === undefined ? null : JSON.stringify(body) };
    const answer = await fetch(`${url}${path}`, init);
    const text = await answer.text();
    if (answer.ok) return text;
    throw new BenchError(
      'BENCH_ENGINE_FAILED',
      `${method} ${path} was answered ${answer.status}: ${text.slice(0, 200)}`,
    );
  };
  return {
    async createSession(policy, config) {
      return JSON.parse(await call('POST', '/session', { policy, 'inspectors-configuration': config }));
    },
    async closeSession({ id, token }) {
      await call('DELETE', `/session/${id}/token`, { token });
      const report: SessionReport = JSON.parse(await call('GET', `/session/${id}`));
      return countDownloads(report);
    },
  };
}

function countDownloads({ artifacts }: SessionReport): ReportCounts {
  const counts = { downloads: 0, rejected: 0 };
  for (const { downloads, result } of artifacts) {
    const complete = downloads.filter((download) => download['status-code'] === 200).length;
    counts.downloads += complete;
    if (result !== 'Approved') counts.rejected += complete;
  }
  return counts;
}
