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
  /** From now on the session moves no byte, and its report can be read. */
  revokeToken(session: Session): Promise<void>;
  /** The report as it comes; the caller reads it to its end. */
  openReport(session: Session): Promise<ReadableStream<Uint8Array>>;
  /** Revokes the token and reads the report. */
  closeSession(session: Session): Promise<ReportCounts>;
  readMetrics(): Promise<string>;
  /** Removes a closed session with everything that is kept of it. */
  removeSession(session: Session): Promise<void>;
}

/** @param auth `user:password` */
export function createControlApi(url: string, auth: string): ControlApi {
  const authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
  const call = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const init = { method, headers: { authorization }, body: body === undefined ? null : JSON.stringify(body) };
    const answer = await fetch(`${url}${path}`, init);
    if (answer.ok) return answer;
    const text = (await answer.text()).slice(0, 200);
    throw new BenchError('BENCH_ENGINE_FAILED', `${method} ${path} was answered ${answer.status}: ${text}`);
  };
  const revokeToken = async ({ id, token }: Session) => {
    await (await call('DELETE', `/session/${id}/token`, { token })).arrayBuffer();
  };
  return {
    async createSession(policy, config) {
      const answer = await call('POST', '/session', { policy, 'inspectors-configuration': config });
      return (await answer.json()) as Session;
    },
    revokeToken,
    async openReport({ id }) {
      const { body } = await call('GET', `/session/${id}`);
      return body ?? new ReadableStream();
    },
    async closeSession(session) {
      await revokeToken(session);
      return countDownloads((await (await call('GET', `/session/${session.id}`)).json()) as SessionReport);
    },
    readMetrics: async () => (await call('GET', '/metrics')).text(),
    async removeSession({ id }) {
      await (await call('DELETE', `/session/${id}`)).arrayBuffer();
      await (await call('DELETE', `/resources/${id}`)).arrayBuffer();
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
