import {
  type ActiveSession,
  type ArtifactInspection,
  type ArtifactView,
  type AuthenticationFailure,
  type CatalogRef,
  type Claim,
  type ExchangeLimits,
  emptyMetadata,
  type InjectedCredential,
  type InspectionServices,
  type RequestInspection,
  type RequestPolicy,
  type RequestView,
  type SessionAuthority,
  type SessionPolicy,
  type VouchedDigest,
} from '@waybill/contracts';

/** What the one inspector of a fake session says. */
export interface FakeInspector {
  /** Default: Pending for every request. */
  onRequest?: (request: RequestView) => RequestInspection | undefined;
  /** Default: Approved. */
  onArtifact?: (
    artifact: ArtifactView,
    services: InspectionServices,
  ) => Promise<ArtifactInspection> | ArtifactInspection;
  /** Default: none. */
  vouched?: (
    request: RequestView,
    services: InspectionServices,
  ) => readonly VouchedDigest[] | Promise<readonly VouchedDigest[]>;
}

/** A session of tests; everything about it can be changed while it runs. */
export interface FakeSession extends Omit<ActiveSession, 'limits' | 'requestPolicy'> {
  policy: SessionPolicy;
  requestPolicy: RequestPolicy | undefined;
  limits: ExchangeLimits;
  inspector: FakeInspector;
  readonly token: string;
  readonly authorization: string;
  credential: ((url: string) => InjectedCredential | undefined) | undefined;
  touched: number;
  /** Requests and artifacts that were inspected. */
  readonly inspected: { readonly requests: RequestView[]; readonly artifacts: ArtifactView[] };
  end(): void;
}

export const fakeLimits: ExchangeLimits = {
  inspectedRequestBytes: 64 * 1024,
  artifactBytes: 0,
  inspectionTimeoutMs: 10_000,
  earlyHeadersAfterMs: 5_000,
  hold: 'stream',
  reuse: 'on',
  upstreamConnectTimeoutMs: 5_000,
  upstreamIdleTimeoutMs: 10_000,
};

let sessions = 0;

export function fakeSession(policy: SessionPolicy = 'strict', inspector: FakeInspector = {}): FakeSession {
  sessions += 1;
  const id = sessions.toString(16).padStart(32, '0');
  const token = `token-${sessions}`;
  const controller = new AbortController();
  const inspected = { requests: [] as RequestView[], artifacts: [] as ArtifactView[] };
  const session: FakeSession = {
    id,
    token,
    authorization: `Basic ${Buffer.from(`${id}:${token}`).toString('base64')}`,
    policy,
    limits: fakeLimits,
    requestPolicy: undefined,
    inspector,
    signal: controller.signal,
    credential: undefined,
    touched: 0,
    inspected,
    credentialFor: (url) => session.credential?.(url),
    touch() {
      session.touched += 1;
    },
    end: () => controller.abort(new Error('revoked')),
    inspectors: {
      ids: ['test.file', 'default'],
      inspectRequest(request): readonly Claim[] {
        inspected.requests.push(request);
        const { onRequest } = session.inspector;
        const said = onRequest ? onRequest(request) : pendingAll;
        if (said) return [{ inspector: 'test.file', inspection: said }];
        return [{ inspector: 'default', inspection: { opinion: 'Unknown', reason: 'nobody recognises it' } }];
      },
      async vouchedDigests(request, _claims, services) {
        return (await session.inspector.vouched?.(request, services)) ?? [];
      },
      async inspectArtifact(artifact, claims, services) {
        inspected.artifacts.push(artifact);
        const { onArtifact } = session.inspector;
        const said = onArtifact ? await onArtifact(artifact, services) : approveAll;
        const claimed = claims.some(({ inspector: who }) => who === 'test.file');
        const ref = ({ scope, kind }: { scope: string; kind: string }): CatalogRef => ({
          scope,
          kind,
          sha256: artifact.digests.sha256,
          inspector: 'test.file',
          url: artifact.request.normalizedUrl,
          name: 'index',
        });
        return {
          inspections: new Map([[claimed || session.policy === 'permissive' ? 'test.file' : 'default', said]]),
          metadata: {
            ...emptyMetadata(),
            ...artifact.digests,
            sha512: artifact.digests.sha512 ?? '',
            size: artifact.size,
            type: artifact.mediaType,
          },
          vouchedBy: said.vouchedBy ?? [],
          provides: (said.provides ?? []).map(ref),
        };
      },
    },
  };
  return session;
}

const pendingAll: RequestInspection = { opinion: 'Pending', reason: 'a file of the test' };
const approveAll: ArtifactInspection = { opinion: 'Approved', reason: 'as wanted' };

/** Knows these sessions, and what became of others. */
export function fakeAuthority(known: Map<string, FakeSession | AuthenticationFailure>): SessionAuthority {
  return {
    async authenticate(id, token) {
      const session = known.get(id);
      if (session === undefined) return 'unknown';
      if (typeof session === 'string') return session;
      if (session.signal.aborted) return 'revoked';
      return session.token === token ? session : 'wrong-token';
    },
  };
}
