import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxyLimits, ProxyServer } from '@waybill/proxy';
import type { FastifyInstance } from 'fastify';
import { type StopRequest, topics, type WorkerFacts } from '../cluster/topics.js';
import { followSessions } from '../control/followed-sessions.js';
import { createControlServer } from '../control/server.js';
import { createSessionEvents, type SessionEvents } from '../control/session-events.js';
import { createGc, type Gc } from '../gc/gc.js';
import { createGcMetrics } from '../gc/gc-metrics.js';
import { addGauges } from '../metrics/gauges.js';
import { createServiceMetrics } from '../metrics/service-metrics.js';
import type { BodyReaper } from '../sessions/body-reaper.js';
import { loadSessionManager } from '../sessions/session-manager.js';
import { createSpool } from '../sessions/spool.js';
import type { OperationTargets } from '../socket/operations.js';
import { traceSessionEnd } from '../tracing/session-end.js';
import type { Tracing } from '../tracing/trace-sink.js';
import { openTracing } from '../tracing/tracing.js';
import type { DaemonContext } from './daemon-context.js';
import { createEgress } from './egress.js';
import { type Foundation, openFoundation } from './foundation.js';
import { localUrl } from './listen.js';
import { countRecords, observeAll, observeProxy } from './observe.js';
import { dutiesFor, tellPeers } from './peer-duties.js';
import type { ServeOptions } from './serve-options.js';
import { closeControl, listenControl, listenProxy } from './servers.js';

/** One process that serves: stores, sessions, proxy and control API. */
export interface Service {
  readonly facts: WorkerFacts;
  /** What operations of the control socket act on. */
  readonly targets: OperationTargets;
  readonly reaper: BodyReaper;
  hasSessions(): boolean;
  /** Reads the root certificate again. */
  reloadCertificate(): Promise<void>;
  /** Lets clients leave, stops listening and finishes what was begun, each within its time. The stores stay open. */
  retire(request: StopRequest): Promise<void>;
}

/** Parts that know each other: the later ones are filled in when they listen. */
interface Wiring extends Omit<DaemonContext, 'clock'> {
  readonly options: ServeOptions;
  readonly foundation: Foundation;
  readonly late: {
    proxy?: ProxyServer;
    listeners?: { readonly host: string; readonly port: number }[];
    isRetiring?: boolean;
    gc?: Gc;
  };
  readonly egress: ReturnType<typeof createEgress>;
  readonly metrics: ReturnType<typeof createServiceMetrics>;
  readonly events: SessionEvents;
  readonly tracing: Tracing | undefined;
}

type Sessions = Awaited<ReturnType<typeof loadSessionManager>>;

/** How soon an address that this machine is given is one that builds may not reach. */
const interfacesMs = 10_000;
/** How long a revocation waits for broken-off exchanges to be recorded; they are recorded in any case. */
const settleMs = 3_000;

/** Wires everything, from the disk up to the listeners. What fails here fails before anybody is served. */
export async function startService(options: ServeOptions, context: DaemonContext): Promise<Service> {
  const late: Wiring['late'] = {};
  const foundation = await openFoundation(options, context, {
    onConfiguration: () => egress.refresh(),
    onIssuer: (issuer) => late.proxy?.setIssuer(issuer),
    makeRoom: async (bytes) => late.gc?.makeRoom(bytes),
  });
  const egress = createEgress({
    acl: () => foundation.configuration.acl,
    listeners: () => late.listeners,
    onChange: (guard) => late.proxy?.setEgress(guard),
  });
  const metrics = createServiceMetrics();
  const tracing = await openTracing(context.environment, context.logger);
  context.cleanup.add('traces', () => tracing?.close());
  const events = isShared(options, context)
    ? followSessions({ store: foundation.store, logger: context.logger })
    : createSessionEvents();
  const wiring: Wiring = { ...context, options, foundation, late, egress, metrics, events, tracing };

  const sessions = await openSessions(wiring);
  const gc = openGc(wiring, sessions);
  const proxy = await openProxy(wiring, sessions);
  const { app, control } = await openControl(wiring, sessions);
  late.listeners = [control, { host: proxy.host, port: proxy.port }];
  egress.refresh();
  context.cleanup.add('egress', egress.watch(interfacesMs));
  const { configuration, certificates, reaper } = foundation;
  if (context.peers) dutiesFor(context.peers, { sessions, configuration, certificates, metrics });
  return {
    facts: {
      controlUrl: localUrl(control.host, control.port),
      proxyUrl: localUrl(proxy.host, proxy.port),
      controlHost: control.host,
      proxyHost: proxy.host,
      caFile: certificates.files.certFile,
      caSha256: certificates.issuer.root.fingerprintSha256,
      resumedSessions: sessions.live().length,
    },
    targets: {
      sessions,
      isPermissiveAllowed: options.isPermissiveAllowed,
      gc,
      ...tellPeers(context.peers, { configuration, certificates }),
    },
    reaper,
    hasSessions: () => sessions.live().length > 0,
    reloadCertificate: () => certificates.reload(),
    async retire({ listenMs, idleMs, graceMs }) {
      late.isRetiring = true;
      proxy.drain();
      await sleep(listenMs);
      await Promise.all([proxy.close({ idleMs, graceMs }), closeControl(app, { idleMs, graceMs })]);
    },
  };
}

/** Whether other processes serve the same sessions: a database that is reached by its URL may have other replicas behind it. */
function isShared({ databaseUrl }: ServeOptions, { peers }: Pick<DaemonContext, 'peers'>): boolean {
  return databaseUrl !== undefined || peers !== undefined;
}

async function openSessions(wiring: Wiring): Promise<Sessions> {
  const { options, foundation, late, egress, metrics, events, peers, logger, security, cleanup } = wiring;
  const { store, blobs, reaper, inspectors, configuration, seal, clock } = foundation;
  const traceEnd = traceSessionEnd(wiring.tracing, store, logger);
  const sessions = await loadSessionManager({
    store,
    spool: createSpool(options.spoolRoot, blobs),
    inspectors,
    configuration,
    isPermissiveAllowed: options.isPermissiveAllowed,
    isShared: isShared(options, wiring),
    seal,
    discardBlobs: (sha256s) => reaper.discard(sha256s),
    settle: (id) => settled(late.proxy, id),
    stopElsewhere: peers && (async (id) => void (await peers.ask(topics.stopSession, id))),
    onActivity: wiring.onActivity,
    onCreated({ id, policy }) {
      metrics.sessionCreated(policy);
      egress.refresh();
      peers?.sessionCreated();
      peers?.tell(topics.sessionChanged, id);
    },
    onOver(how, id) {
      metrics.sessionOver(how);
      traceEnd(how, id);
      peers?.tell(topics.sessionChanged, id);
    },
    onStopped: (id) => events.end(id),
    clock,
    logger,
    security,
  });
  cleanup.add('sessions', () => sessions.close());
  return sessions;
}

/** One of the processes on a spool collects; which one does not matter. */
function openGc({ options, foundation, late, metrics, peers, logger, cleanup }: Wiring, sessions: Sessions): Gc {
  const { store, blobs, reaper, clock } = foundation;
  const { gc: settings } = options;
  const gc = createGc(
    { blobs, store, reaper, clock, deleteResources: (id, how) => sessions.deleteResources(id, how) },
    { settings, metrics: createGcMetrics(metrics.registry), logger },
  );
  if ((peers?.slot ?? 0) === 0) gc.schedule();
  cleanup.add('garbage collection', () => gc.stop());
  late.gc = gc;
  return gc;
}

async function openProxy(wiring: Wiring, sessions: Sessions): Promise<ProxyServer> {
  const { options, foundation, late, egress, metrics, events, tracing, logger, security, cleanup } = wiring;
  const { store, reaper, answers, certificates, upstream, clock } = foundation;
  const proxy = await listenProxy(options.proxy, {
    sessions,
    issuer: certificates.issuer,
    blobs: reaper.blobs,
    answers,
    store: {
      catalogs: (sessionId, scope) => store.catalogs(sessionId, scope),
      async record(records) {
        await reaper.record(records);
        countRecords(metrics, records);
        events.publish(records);
      },
    },
    egress: egress.guard,
    limits: processLimits(options),
    processes: options.processes,
    recordedUse: (sessionId) => store.counts(sessionId),
    upstream,
    clock,
    logger,
    observer: observeAll([observeProxy(logger, security), metrics.exchanges, ...(tracing ? [tracing] : [])]),
  });
  late.proxy = proxy;
  cleanup.add('proxy', () => proxy.close());
  const liveSessions = () => sessions.live().length;
  const { inspectors, blobs } = foundation;
  addGauges(metrics, { proxy, inspectors, store, blobs, liveSessions, quotaBytes: options.gc.quotaBytes });
  return proxy;
}

/** Absent ones are the proxy's defaults. */
function processLimits({ maxConnections, maxExchanges }: ServeOptions): Partial<ProxyLimits> {
  return { ...(maxConnections && { maxConnections }), ...(maxExchanges && { maxExchanges }) };
}

async function openControl(
  wiring: Wiring,
  sessions: Sessions,
): Promise<{ readonly app: FastifyInstance; readonly control: { readonly host: string; readonly port: number } }> {
  const { options, foundation, late, metrics, events, peers, logger, security, cleanup } = wiring;
  const { store, certificates, clock } = foundation;
  const app = await createControlServer({
    sessions,
    events,
    credentials: options.credentials,
    spoolRoot: options.spoolRoot,
    startedAt: peers?.startedAt ?? clock.now(),
    createdCount: async () => (peers ? peers.createdCount() : sessions.createdCount),
    caPem: () => certificates.issuer.root.certificatePem,
    async checkReady() {
      if (late.isRetiring) throw new Error('the service is stopping');
      await store.ping();
    },
    isRetiring: () => late.isRetiring === true,
    metrics: {
      request: metrics.request,
      text: async () => metrics.text(await peers?.ask<object[]>(topics.metrics)),
    },
    onActivity: wiring.onActivity,
    clock,
    logger,
    security,
  });
  cleanup.add('control API', () => closeControl(app));
  return { app, control: await listenControl(app, options.control) };
}

async function settled(proxy: ProxyServer | undefined, sessionId: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, settleMs);
  await Promise.race([proxy?.settled(sessionId), promise]);
  clearTimeout(timer);
}
