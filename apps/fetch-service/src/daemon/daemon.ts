import type { Logger } from '@waybill/contracts';
import type { ProxyServer } from '@waybill/proxy';
import { createControlServer } from '../control/server.js';
import { createSessionEvents } from '../control/session-events.js';
import { messageOf } from '../errors.js';
import { createServiceMetrics } from '../metrics.js';
import { loadSessionManager } from '../sessions/session-manager.js';
import { createSpool } from '../sessions/spool.js';
import { announce, openProfiler, openSocket } from './announce.js';
import type { DaemonContext } from './daemon-context.js';
import { createEgress } from './egress.js';
import { type Foundation, openFoundation } from './foundation.js';
import { createIdleShutdown } from './idle-shutdown.js';
import { localUrl } from './listen.js';
import { addGauges, countRecords, observeProxy } from './observe.js';
import type { ServeOptions } from './serve-options.js';
import { closeControl, listenControl, listenProxy } from './servers.js';
import type { Started } from './start-text.js';

/** A running daemon. */
export interface Daemon {
  readonly started: Started;
  /** Reads the root certificate again. */
  reloadCertificate(): Promise<void>;
}

/** Parts that know each other: the later ones are filled in when they listen. */
interface Wiring extends Omit<DaemonContext, 'clock'> {
  readonly options: ServeOptions;
  readonly foundation: Foundation;
  readonly late: { proxy?: ProxyServer; listeners?: { readonly host: string; readonly port: number }[] };
  readonly egress: ReturnType<typeof createEgress>;
  readonly metrics: ReturnType<typeof createServiceMetrics>;
  readonly events: ReturnType<typeof createSessionEvents>;
}

type Sessions = Awaited<ReturnType<typeof loadSessionManager>>;

/** Exchanges get this long to finish when the daemon stops; the whole stop has ten seconds. */
const proxyGraceMs = 3_000;
/** How long a revocation waits for broken-off exchanges to be recorded; they are recorded in any case. */
const settleMs = 3_000;

/** Wires everything, from the disk up to the listeners. What fails here fails before anybody is served. */
export async function startDaemon(options: ServeOptions, context: DaemonContext): Promise<Daemon> {
  const late: Wiring['late'] = {};
  const foundation = await openFoundation(options, context, {
    onConfiguration: () => egress.refresh(),
    onIssuer: (issuer) => late.proxy?.setIssuer(issuer),
  });
  const startedAt = foundation.clock.now();
  const egress = createEgress({
    acl: () => foundation.configuration.acl,
    listeners: () => late.listeners,
    onChange: (guard) => late.proxy?.setEgress(guard),
  });
  const metrics = createServiceMetrics();
  const wiring: Wiring = { ...context, options, foundation, late, egress, metrics, events: createSessionEvents() };

  const { sessions, touch } = await openSessions(wiring);
  const proxy = await openProxy(wiring, sessions);
  const control = await openControl(wiring, sessions, { startedAt, touch });
  late.listeners = [control, { host: proxy.host, port: proxy.port }];
  egress.refresh();
  const socketPath = await openSocket(options, context, {
    sessions,
    configuration: foundation.configuration,
    isPermissiveAllowed: options.isPermissiveAllowed,
    updateCertificate: (pem, validateOnly) => foundation.certificates.update(pem, validateOnly),
  });
  await openProfiler(options, context);
  // With a database of its own nobody else can be about to refer to a body.
  if (options.databaseUrl === undefined) sweepLater(foundation.reaper, context.logger);

  const started = {
    controlUrl: localUrl(control.host, control.port),
    proxyUrl: localUrl(proxy.host, proxy.port),
    controlHost: control.host,
    proxyHost: proxy.host,
    caFile: foundation.certificates.files.certFile,
    caSha256: foundation.certificates.issuer.root.fingerprintSha256,
    socketPath,
    resumedSessions: sessions.live().length,
  };
  const runtimeFile = await announce(options, context, { ...started, startedAt });
  return { started: { ...started, runtimeFile }, reloadCertificate: () => foundation.certificates.reload() };
}

async function openSessions(wiring: Wiring): Promise<{ readonly sessions: Sessions; readonly touch: () => void }> {
  const { options, foundation, late, egress, metrics, events, logger, security, cleanup } = wiring;
  const { store, blobs, reaper, inspectors, configuration, clock } = foundation;
  const hasSessions = () => sessions.live().length > 0;
  const idle = createIdleShutdown(options.idleShutdownSeconds, hasSessions, wiring.onIdle);
  cleanup.add('idle timer', () => idle.stop());
  const sessions: Sessions = await loadSessionManager({
    store,
    spool: createSpool(options.spoolRoot, blobs),
    inspectors,
    configuration,
    isPermissiveAllowed: options.isPermissiveAllowed,
    discardBlobs: (sha256s) => reaper.discard(sha256s),
    settle: (id) => settled(late.proxy, id),
    onActivity: () => idle.touch(),
    onCreated(policy) {
      metrics.sessionCreated(policy);
      egress.refresh();
    },
    onOver(how, id) {
      metrics.sessionOver(how);
      events.end(id);
    },
    clock,
    logger,
    security,
  });
  cleanup.add('sessions', () => sessions.close());
  return { sessions, touch: () => idle.touch() };
}

async function openProxy(wiring: Wiring, sessions: Sessions): Promise<ProxyServer> {
  const { options, foundation, late, egress, metrics, events, logger, security, cleanup } = wiring;
  const { store, reaper, certificates, upstream, clock } = foundation;
  const proxy = await listenProxy(options.proxy, {
    sessions,
    issuer: certificates.issuer,
    blobs: reaper.blobs,
    store: {
      catalogs: (sessionId, scope) => store.catalogs(sessionId, scope),
      async record(records) {
        await reaper.record(records);
        countRecords(metrics, records);
        events.publish(records);
      },
    },
    egress: egress.guard,
    upstream,
    clock,
    logger,
    observer: observeProxy(logger, security),
  });
  late.proxy = proxy;
  cleanup.add('proxy', () => proxy.close({ graceMs: proxyGraceMs }));
  addGauges(metrics, proxy, () => sessions.live().length);
  return proxy;
}

async function openControl(
  wiring: Wiring,
  sessions: Sessions,
  { startedAt, touch }: { readonly startedAt: Date; readonly touch: () => void },
): Promise<{ readonly host: string; readonly port: number }> {
  const { options, foundation, metrics, events, logger, security, cleanup } = wiring;
  const app = await createControlServer({
    sessions,
    events,
    credentials: options.credentials,
    spoolRoot: options.spoolRoot,
    startedAt,
    caPem: () => foundation.certificates.issuer.root.certificatePem,
    checkReady: () => foundation.store.ping(),
    metrics,
    onActivity: touch,
    clock: foundation.clock,
    logger,
    security,
  });
  cleanup.add('control API', () => closeControl(app));
  return listenControl(app, options.control);
}

async function settled(proxy: ProxyServer | undefined, sessionId: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, settleMs);
  await Promise.race([proxy?.settled(sessionId), promise]);
  clearTimeout(timer);
}

function sweepLater(reaper: { sweep(): Promise<number> }, logger: Logger): void {
  reaper.sweep().then(
    (bodies) => bodies > 0 && logger.info({ bodies }, 'bodies that nobody refers to were removed'),
    (cause: unknown) => logger.warn({ error: messageOf(cause) }, 'bodies that nobody refers to could not be removed'),
  );
}
