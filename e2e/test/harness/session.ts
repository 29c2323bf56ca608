import { type SessionReport, sessionReportSchema } from '@waybill/contracts';

/** How the control API is called. */
export type Control = (method: string, path: string, body?: unknown) => Promise<Response>;

/** A session of the daemon, from the point of view of who opened it. Lives through restarts of the daemon. */
export interface Session {
  readonly id: string;
  readonly token: string;
  /** `http://127.0.0.1:port` */
  readonly proxyOrigin: string;
  /** `http://id:token@127.0.0.1:port` */
  readonly proxyUrl: string;
  /** Root certificate that clients must trust. */
  readonly caFile: string;
  revoke(): Promise<Response>;
  /** The report as it is now, checked against its schema; the session must be over. */
  report(): Promise<SessionReport>;
  /** Revokes and reads the report. */
  finish(): Promise<SessionReport>;
  /** Ends it, without revoking first. */
  end(): Promise<Response>;
}

/** Fields of `POST /session`. */
export interface SessionFields {
  readonly policy: 'strict' | 'permissive';
  /** Seconds. */
  readonly timeout?: number;
  readonly secrets?: readonly Readonly<Record<string, string>>[];
  readonly 'inspectors-configuration'?: unknown;
}

export async function openSession(
  control: Control,
  place: { readonly proxyOrigin: string; readonly caFile: string },
  fields: SessionFields,
): Promise<Session> {
  const response = await control('POST', '/session', fields);
  if (!response.ok) throw new Error(`create session: ${response.status} ${await response.text()}`);
  const { id, token } = (await response.json()) as { id: string; token: string };
  const revoke = () => control('DELETE', `/session/${id}/token`, { token });
  const report = async () => {
    const answer = await control('GET', `/session/${id}`);
    if (!answer.ok) throw new Error(`report: ${answer.status} ${await answer.text()}`);
    return sessionReportSchema.strict().parse(await answer.json());
  };
  return {
    id,
    token,
    ...place,
    proxyUrl: place.proxyOrigin.replace('//', `//${id}:${token}@`),
    revoke,
    report,
    async finish() {
      const revoked = await revoke();
      if (!revoked.ok) throw new Error(`revoke: ${revoked.status} ${await revoked.text()}`);
      return report();
    },
    end: () => control('DELETE', `/session/${id}`),
  };
}
