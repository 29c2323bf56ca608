import { type Clock, type Logger, type RuntimeFile, systemClock, toRfc3339 } from '@waybill/contracts';
import { createInspectorRuntime } from '@waybill/inspectors';
import type { ProxyServer } from '@waybill/proxy';
import { loadServiceConfiguration } from '../config/service-configuration.js';
import { createControlServer } from '../control/server.js';
import { createSessionEvents } from '../control/session-events.js';
import { FetchServiceError, messageOf } from '../errors.js';
import type { SecurityLog } from '../logs/security-log.js';
import { createServiceMetrics } from '../metrics.js';
import { createBodyReaper } from '../sessions/body-reaper.js';
import { loadSessionManager } from '../sessions/session-manager.js';
import { createSpool } from '../sessions/spool.js';
import { openControlSocket } from '../socket/control-socket.js';
import { operate } from '../socket/operations.js';
import { version } from '../version.js';
import { openCertificates } from './certificates.js';
import type { Cleanup } from './cleanup.js';
import { createEgress } from './egress.js';
import { createIdleShutdown } from './idle-shutdown.js';
import { localUrl } from './listen.js';
import { addGauges, countRecords, observeProxy } from './observe.js';
import { startProfiler } from './profiler.js';
import { removeRuntimeFile, writeRuntimeFile } from './runtime-file.js';
import type { ServeOptions } from './serve-options.js';
import { closeControl, listenControl, listenProxy } from './servers.js';
import { prepareSpool } from './spool-directory.js';
import type { Started } from './start-text.js';
import { openStorage } from './storage.js';
import { upstreamSettings } from './upstream.js';

/** What the daemon is run with, beside its options. */
export interface DaemonContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly logger: Logger;
  readonly security: SecurityLog;
  /** Filled with what must be undone; the caller runs it, also when starting fails. */
  readonly cleanup: Cleanup;
  /** Nobody used the daemon for its idle time. */
  readonly onIdle: () => void;
}

/** A running daemon. */
export interface Daemon {
  readonly started: Started;
  /** Reads the root certificate again. */
  reloadCertificate(): Promise<void>;
}

/** Exchanges get this long to finish when the daemon stops; the whole stop has ten seconds. */
const proxyGraceMs = 3_000;
/** How long a revocation waits for broken-off exchanges to be recorded; they are recorded in any case. */
const settleMs = 3_000;
/** A body may wait this long for its record; inspections take five minutes at most by default. */
const recordGraceMs = 30 * 60_000;

/** Wires everything, from the disk up to the listeners. What fails here fails before anybody is served. */
export async function startDaemon(options: ServeOptions, context: DaemonContext): Promise<Daemon> {
  const { logger, security, cleanup, clock = systemClock } = context;
  const startedAt = clock.now();
  const paths = await prepareSpool(options.spoolRoot);
  const configuration = await loadServiceConfiguration(options.configDirectory, () => egress.refresh());
  for (const warning of configuration.warnings) logger.warn({}, warning);
  const upstream = await upstreamSettings(context.environment, options.upstreamCaFiles);
  let proxy: ProxyServer | undefined;
  const certificates = await openCertificates({
    chosen: options.certificate,
    ownDirectory: paths.ca,
    clock,
    logger,
    onChange: (issuer) => proxy?.setIssuer(issuer),
  });

  const { blobs, store } = await openStorage(options.spoolRoot, paths, options.databaseUrl, { clock, logger });
  cleanup.add('records', () => store.close());
  cleanup.add('bodies', () => blobs.close());
  const reaper = createBodyReaper({ blobs, store, clock, graceMs: recordGraceMs });
  const runtime = createInspectorRuntime({ blobs, clock, scratchDir: paths.scratch, logger });
  cleanup.add('inspectors', () => runtime.close());

  const metrics = createServiceMetrics();
  const events = createSessionEvents();
  let listeners: { host: string; port: number }[] | undefined;
  const egress = createEgress({
    acl: () => configuration.acl,
    listeners: () => listeners,
    onChange: (guard) => proxy?.setEgress(guard),
  });
  const idle = createIdleShutdown(options.idleShutdownSeconds, () => sessions.live().length > 0, context.onIdle);
  cleanup.add('idle timer', () => idle.stop());
  const sessions = await loadSessionManager({
    store,
    spool: createSpool(options.spoolRoot, blobs),
    inspectors: runtime,
    configuration,
    isPermissiveAllowed: options.isPermissiveAllowed,
    discardBlobs: (sha256s) => reaper.discard(sha256s),
    settle: (id) => settled(proxy, id),
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

  proxy = await listenProxy(options.proxy, {
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
  const proxyServer = proxy;
  cleanup.add('proxy', () => proxyServer.close({ graceMs: proxyGraceMs }));
  addGauges(metrics, proxyServer, () => sessions.live().length);

  const app = await createControlServer({
    sessions,
    events,
    credentials: options.credentials,
    spoolRoot: options.spoolRoot,
    startedAt,
    caPem: () => certificates.issuer.root.certificatePem,
    checkReady: () => store.ping(),
    metrics,
    onActivity: () => idle.touch(),
    clock,
    logger,
    security,
  });
  const control = await listenControl(app, options.control);
  cleanup.add('control API', () => closeControl(app));
  listeners = [control, { host: proxyServer.host, port: proxyServer.port }];
  egress.refresh();

  const socketPath = await openSocket(options, context, (request) =>
    operate(
      {
        sessions,
        configuration,
        isPermissiveAllowed: options.isPermissiveAllowed,
        updateCertificate: (pem, validateOnly) => certificates.update(pem, validateOnly),
      },
      request,
    ),
  );
  if (options.profilePort !== undefined) {
    const profiler = await startProfiler(options.profilePort);
    cleanup.add('profiler', () => profiler.close());
  }
  // With a database of its own nobody else can be about to refer to a body.
  if (options.databaseUrl === undefined) sweepLater(reaper, logger);

  const started: Started = {
    controlUrl: localUrl(control.host, control.port),
    proxyUrl: localUrl(proxyServer.host, proxyServer.port),
    controlHost: control.host,
    proxyHost: proxyServer.host,
    caFile: certificates.files.certFile,
    caSha256: certificates.issuer.root.fingerprintSha256,
    socketPath,
    runtimeFile: undefined,
    resumedSessions: sessions.live().length,
  };
  const runtimeFile = await announce(options, context, {
    version,
    pid: process.pid,
    'started-at': toRfc3339(startedAt),
    'control-url': started.controlUrl,
    'proxy-url': started.proxyUrl,
    auth: options.credentials?.text ?? ':',
    'ca-file': started.caFile,
    'ca-sha256': started.caSha256,
    permissive: options.isPermissiveAllowed,
  });
  return { started: { ...started, runtimeFile }, reloadCertificate: () => certificates.reload() };
}

/** A default place that is taken or cannot be written costs a convenience and is said; a chosen one stops the start. */
async function openSocket(
  { socket }: ServeOptions,
  { logger, cleanup }: DaemonContext,
  answer: Parameters<typeof openControlSocket>[1],
): Promise<string | undefined> {
  try {
    const opened = await openControlSocket(socket.path, answer, logger);
    cleanup.add('control socket', () => opened.close());
    return opened.path;
  } catch (cause) {
    if (socket.isChosen || !(cause instanceof FetchServiceError)) throw cause;
    logger.warn({ hint: cause.hint }, `no control socket: ${cause.message}`);
    return undefined;
  }
}

async function announce(
  { runtimeFile }: ServeOptions,
  { logger, cleanup }: DaemonContext,
  content: RuntimeFile,
): Promise<string | undefined> {
  try {
    await writeRuntimeFile(runtimeFile.path, content);
    cleanup.add('runtime file', () => removeRuntimeFile(runtimeFile.path));
    return runtimeFile.path;
  } catch (cause) {
    if (runtimeFile.isChosen || !(cause instanceof FetchServiceError)) throw cause;
    logger.warn({ hint: cause.hint }, messageOf(cause));
    return undefined;
  }
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
