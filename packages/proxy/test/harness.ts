import type {
  AuthenticationFailure,
  CatalogRef,
  DownloadRecord,
  EgressGuard,
  ExchangeRecord,
  RefusalRecord,
  ResponseRecord,
  SessionStore,
} from '@waybill/contracts';
import { createThrowawayCa, fixedClock, type ThrowawayCa } from '@waybill/testkit';
import {
  type AuthenticationFailureEvent,
  createProxy,
  type ExchangeEvent,
  type ProxyOptions,
  type ProxyServer,
} from '../src/index.js';
import { type FakeSession, fakeAuthority, fakeSession } from './fake-session.js';
import { type MemoryBlobs, memoryBlobs } from './memory-blobs.js';

/** A session store in memory, with faults to order. */
export interface MemoryStore extends Pick<SessionStore, 'record' | 'catalogs'> {
  readonly records: ExchangeRecord[];
  readonly batches: number[];
  readonly catalogRefs: Map<string, CatalogRef[]>;
  fault: Error | undefined;
  /** Says why a record is not taken. */
  refuses: ((record: ExchangeRecord) => Error | undefined) | undefined;
  /** Runs before each transaction. */
  before: (() => Promise<void>) | undefined;
  catalogReads: number;
}

/** A running proxy with everything around it faked. */
export interface TestProxy {
  readonly proxy: ProxyServer;
  readonly ca: ThrowawayCa;
  readonly blobs: MemoryBlobs;
  readonly store: MemoryStore;
  readonly clock: ReturnType<typeof fixedClock>;
  readonly events: ExchangeEvent[];
  readonly turnedAway: AuthenticationFailureEvent[];
  readonly sessions: Map<string, FakeSession | AuthenticationFailure>;
  session(...given: Parameters<typeof fakeSession>): FakeSession;
  /** What the report of the session says, once nothing is under way. */
  report(session: FakeSession): Promise<Report>;
  close(): Promise<void>;
}

/** Records of one session by kind. */
export interface Report {
  readonly downloads: readonly DownloadRecord[];
  readonly responses: readonly ResponseRecord[];
  readonly refusals: readonly RefusalRecord[];
  readonly failures: readonly RefusalRecord[];
  readonly all: readonly ExchangeRecord[];
}

/** Lets everything through but what the test names. */
export function openGuard(refused: Readonly<Record<string, string>> = {}): EgressGuard {
  return { refusalFor: (address) => refused[address] };
}

let sharedCa: Promise<ThrowawayCa> | undefined;

/** Starts a proxy that trusts upstreams of `upstreamCa`. */
export async function startTestProxy(
  options: Partial<ProxyOptions> & { readonly upstreamCa?: ThrowawayCa } = {},
): Promise<TestProxy> {
  sharedCa ??= createThrowawayCa();
  const ca = await sharedCa;
  const blobs = memoryBlobs();
  const store = memoryStore();
  const clock = fixedClock();
  const events: ExchangeEvent[] = [];
  const turnedAway: AuthenticationFailureEvent[] = [];
  const sessions = new Map<string, FakeSession | AuthenticationFailure>();
  const { upstreamCa, ...given } = options;
  const proxy = await createProxy({
    listen: { port: 0 },
    sessions: fakeAuthority(sessions),
    issuer: ca,
    blobs,
    store,
    egress: openGuard(),
    clock,
    observer: {
      exchangeFinished: (event) => events.push(event),
      authenticationFailed: (event) => turnedAway.push(event),
    },
    ...given,
    upstream: { ...(upstreamCa && { ca: [upstreamCa.certificatePem] }), ...given.upstream },
  });
  return {
    proxy,
    ca,
    blobs,
    store,
    clock,
    events,
    turnedAway,
    sessions,
    session(...how) {
      const session = fakeSession(...how);
      sessions.set(session.id, session);
      return session;
    },
    async report(session) {
      await proxy.settled(session.id);
      const all = store.records.filter(({ sessionId }) => sessionId === session.id);
      const downloads = all.filter((record): record is DownloadRecord => record.kind === 'download');
      const nested = downloads.flatMap(({ refusal }) => (refusal ? [refusal] : []));
      const isEnd = ({ kind }: ExchangeRecord) => kind === 'refusal' || kind === 'failure';
      const ends = [...all.filter((record): record is RefusalRecord => isEnd(record)), ...nested];
      return {
        downloads,
        responses: all.filter((record): record is ResponseRecord => record.kind === 'response'),
        refusals: ends.filter(({ kind }) => kind === 'refusal'),
        failures: ends.filter(({ kind }) => kind === 'failure'),
        all,
      };
    },
    close: () => proxy.close(),
  };
}

function memoryStore(): MemoryStore {
  const store: MemoryStore = {
    records: [],
    batches: [],
    catalogRefs: new Map(),
    fault: undefined,
    refuses: undefined,
    before: undefined,
    catalogReads: 0,
    async record(records) {
      await store.before?.();
      const fault = store.fault ?? records.map((record) => store.refuses?.(record)).find(Boolean);
      if (fault) throw fault;
      store.batches.push(records.length);
      for (const record of records) {
        store.records.push(record);
        if (record.kind !== 'download') continue;
        for (const ref of record.provides) {
          const key = `${record.sessionId} ${ref.scope}`;
          store.catalogRefs.set(key, [...(store.catalogRefs.get(key) ?? []), ref]);
        }
      }
    },
    async catalogs(sessionId, scope) {
      store.catalogReads += 1;
      return store.catalogRefs.get(`${sessionId} ${scope}`) ?? [];
    },
  };
  return store;
}
