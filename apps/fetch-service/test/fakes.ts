import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import {
  type BlobInfo,
  type BlobStore,
  type CatalogRef,
  type DownloadRecord,
  type ExchangeRecord,
  emptyMetadata,
  type RefusalRecord,
  type ResponseRecord,
  type SessionInspectors,
  type SessionRecord,
  type SessionState,
  type SessionStore,
  type StoredArtifact,
  type VouchLink,
} from '@waybill/contracts';
import type { SecurityLog } from '../src/logs/security-log.js';

/** A session store in memory with the semantics of its contract. */
export function memoryStore(): SessionStore & { readonly sessions: Map<string, SessionRecord> } {
  const sessions = new Map<string, SessionRecord>();
  const records: ExchangeRecord[] = [];
  const rank: Record<SessionState, number> = { open: 0, revoked: 1, expired: 2, ended: 2 };
  const of = (sessionId: string) => records.filter((record) => record.sessionId === sessionId);
  const artifactsOf = (sessionId: string): StoredArtifact[] => {
    const bySha = Map.groupBy(
      of(sessionId).filter((record) => record.kind === 'download'),
      (record) => record.metadata.sha256,
    );
    return [...bySha.values()].map(toStored).sort((a, b) => (a.metadata.sha256 < b.metadata.sha256 ? -1 : 1));
  };
  return {
    sessions,
    async createSession(session) {
      sessions.set(session.id, session);
    },
    getSession: async (id) => sessions.get(id),
    listSessions: async (states, { endedBefore } = {}) =>
      [...sessions.values()].filter(
        ({ state, endedAt }) => states.includes(state) && (!endedBefore || (endedAt && endedAt < endedBefore)),
      ),
    async transition(id, to, at) {
      const session = sessions.get(id);
      if (!session) return undefined;
      const isForward = rank[to] > rank[session.state];
      const isRepeatedRevocation = to === 'revoked' && session.state === 'revoked';
      if (!isForward && !isRepeatedRevocation) return { session, isMoved: false };
      const endedAt = isRepeatedRevocation ? at : (session.endedAt ?? at);
      const next = { ...session, state: to, endedAt };
      sessions.set(id, next);
      return { session: next, isMoved: isForward };
    },
    // There is no other handle.
    watch: async () => async () => {},
    async deleteSession(id) {
      sessions.delete(id);
      for (let at = records.length - 1; at >= 0; at--) if (records[at]?.sessionId === id) records.splice(at, 1);
    },
    async record(more) {
      records.push(...more);
    },
    recordsSince: async () => ({ records: [], position: { settled: 0, recent: new Map() } }),
    catalogs: async (): Promise<CatalogRef[]> => [],
    async *artifacts(sessionId) {
      yield* artifactsOf(sessionId);
    },
    artifact: async (sessionId, sha256) => artifactsOf(sessionId).find(({ metadata }) => metadata.sha256 === sha256),
    async *refusals(sessionId) {
      yield* of(sessionId).filter(
        (record): record is RefusalRecord => record.kind === 'refusal' || record.kind === 'failure',
      );
    },
    async *responses(sessionId) {
      yield* of(sessionId).filter((record): record is ResponseRecord => record.kind === 'response');
    },
    counts: async () => ({ artifacts: 0, downloads: 0, refusals: 0, bytes: 0 }),
    async *digests(sessionId) {
      for (const record of of(sessionId)) {
        if (record.kind === 'download') yield record.metadata.sha256;
        else if (record.sha256) yield record.sha256;
      }
    },
    async usage() {
      const counted = { open: 0, revoked: 0, expired: 0, ended: 0 };
      for (const { state } of sessions.values()) counted[state]++;
      return { sessions: counted, databaseBytes: 0 };
    },
    async referenced(sha256s) {
      const used = new Set(
        records.flatMap((record) => (record.kind === 'download' ? [record.metadata.sha256] : (record.sha256 ?? []))),
      );
      return new Set(sha256s.filter((sha256) => used.has(sha256)));
    },
    ping: async () => {},
    close: async () => {},
  };
}

function toStored(downloads: DownloadRecord[]): StoredArtifact {
  const decisive = downloads.findLast(({ result }) => result === 'Approved') ?? (downloads.at(-1) as DownloadRecord);
  const { metadata, requestInspection, responseInspection, result, vouchedBy } = decisive;
  return { metadata, requestInspection, responseInspection, result, vouchedBy, downloads };
}

/** Bodies in memory. */
export function memoryBlobs(): BlobStore & { readonly bodies: Map<string, Buffer> } {
  const bodies = new Map<string, Buffer>();
  const need = (sha256: string) => {
    const body = bodies.get(sha256);
    if (!body) throw new Error(`no blob ${sha256}`);
    return body;
  };
  return {
    bodies,
    create() {
      const chunks: Uint8Array[] = [];
      return {
        async write(chunk) {
          chunks.push(chunk);
        },
        get size() {
          return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        },
        async commit(): Promise<BlobInfo> {
          const body = Buffer.concat(chunks);
          const info = infoOf(body);
          bodies.set(info.digests.sha256, body);
          return info;
        },
        async abort() {},
      };
    },
    stat: async (sha256) => (bodies.has(sha256) ? infoOf(need(sha256)) : undefined),
    open: (sha256) => Readable.from([need(sha256)]),
    flush: async () => {},
    async delete(sha256) {
      return bodies.delete(sha256);
    },
    async resolve({ algorithm, hex }) {
      for (const [name, body] of bodies) if (createHash(algorithm).update(body).digest('hex') === hex) return name;
      return undefined;
    },
    async *entries() {
      for (const [sha256, body] of bodies) yield { sha256, size: body.length, usedAt: new Date(0) };
    },
    async usage() {
      return { bytes: [...bodies.values()].reduce((sum, { length }) => sum + length, 0), count: bodies.size };
    },
    compact: async () => 0,
    async *list() {
      yield* [...bodies.keys()];
    },
    exportTo: (sha256, path) => writeFile(path, need(sha256)),
    async exportMany(files) {
      for (const { sha256, path } of files) await writeFile(path, need(sha256));
    },
    close: async () => {},
  };
}

function infoOf(body: Buffer): BlobInfo {
  const hex = (algorithm: string) => createHash(algorithm).update(body).digest('hex');
  return { size: body.length, digests: { sha1: hex('sha1'), sha256: hex('sha256'), sha512: hex('sha512') } };
}

/** Inspectors that claim nothing. */
export const noInspectors: { bind(): SessionInspectors } = {
  bind: () => ({
    ids: ['npm.tarball', 'default'],
    inspectRequest: () => [],
    vouchedDigests: async () => [],
    inspectArtifact: async () => ({ inspections: new Map(), metadata: emptyMetadata(), vouchedBy: [], provides: [] }),
  }),
};

/** A download record to fill. */
export function download(sessionId: string, sha256: string, more: Partial<DownloadRecord> = {}): DownloadRecord {
  return {
    kind: 'download',
    sessionId,
    startedAt: new Date('2026-01-02T03:04:05.678Z'),
    endedAt: new Date('2026-01-02T03:04:06.000Z'),
    method: 'GET',
    url: `https://registry.example:443/${sha256.slice(0, 8)}`,
    address: '192.0.2.1:4711',
    userAgent: 'curl/8',
    requestHeader: { accept: ['*/*'] },
    requestInspection: { 'npm.tarball': { opinion: 'Pending', reason: 'a tarball' } },
    statusCode: 200,
    status: '200 OK',
    contentType: 'application/octet-stream',
    responseHeader: {},
    metadata: { ...emptyMetadata(), sha256, size: 3, name: 'left-pad', architecture: '' },
    responseInspection: { 'npm.tarball': { opinion: 'Approved', reason: 'as vouched', annotations: {} } },
    result: 'Approved',
    delivery: 'held',
    vouchedBy: [],
    provides: [],
    ...more,
  };
}

/** A refusal record to fill. */
export function refusal(sessionId: string, more: Partial<RefusalRecord> = {}): RefusalRecord {
  return {
    kind: 'refusal',
    sessionId,
    phase: 'request',
    at: new Date('2026-01-02T03:04:07.000Z'),
    startedAt: new Date('2026-01-02T03:04:07.000Z'),
    method: 'GET',
    url: 'https://elsewhere.example:443/<script>&',
    address: '192.0.2.1:4712',
    userAgent: 'curl/8',
    requestHeader: {},
    requestInspection: { default: { opinion: 'Unknown', reason: 'no inspector recognises the request' } },
    statusCode: 403,
    reason: 'no inspector recognises the request',
    hint: 'add the URL to inspectors.yaml',
    inspector: 'default',
    delivered: false,
    responseInspection: {},
    ...more,
  };
}

/** A link to an index. */
export function indexLink(sha256: string, name: string): VouchLink {
  return { kind: 'artifact', sha256, inspector: 'apt.packages', name };
}

/** A security log that keeps the names of its events. */
export function listedSecurity(): SecurityLog & { readonly names: string[] } {
  const names: string[] = [];
  return { names, event: (_level, name) => void names.push(name) };
}

/** A clock that a test moves. */
export function movableClock(start = '2026-01-02T03:00:00.000Z') {
  let now = new Date(start);
  return {
    now: () => now,
    advance(ms: number) {
      now = new Date(now.getTime() + ms);
    },
  };
}

/** 64 hex digits out of one character. */
export const sha = (character: string): string => character.repeat(64);
