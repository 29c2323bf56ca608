import { setTimeout as sleep } from 'node:timers/promises';
import type { EgressGuard, LeafIssuer } from '@waybill/contracts';
import type { ProxyContext } from './context.js';
import { startEngine } from './engine/engine.js';
import { Limits } from './limits/limits.js';
import { createLiveSessions } from './live-sessions.js';
import { type ProxyOptions, resolveOptions } from './options.js';
import { carry } from './pipeline.js';
import { createRecorder } from './record/recorder.js';
import { createTrustedCatalogs } from './record/trusted-catalogs.js';
import { createUpstreams } from './upstream/upstreams.js';

/** Numbers of the moment. */
export interface ProxyStats {
  /** Client connections, tunnels among them. */
  readonly connections: number;
  readonly tunnels: number;
  /** Exchanges under way. */
  readonly exchanges: number;
  /** Of these, those that wait for their turn. */
  readonly waiting: number;
  /** Records that wait to become durable. */
  readonly recording: number;
  readonly upstream: {
    readonly origins: number;
    readonly connections: number;
    readonly running: number;
    readonly queued: number;
  };
}

/** A proxy that listens. */
export interface ProxyServer {
  readonly host: string;
  readonly port: number;
  /** Tunnels opened from now on present leaves of this issuer. */
  setIssuer(issuer: LeafIssuer): void;
  /** Connections opened from now on are judged by this guard; kept ones are not used again. */
  setEgress(guard: EgressGuard): void;
  stats(): ProxyStats;
  /** Resolves when no exchange of the session is under way and all it did is recorded. */
  settled(sessionId: string): Promise<void>;
  /** Answers from now on end their connections, so that clients come back on new ones; all else goes on until `close`. */
  drain(): void;
  /**
   * Takes no more connections, lets exchanges finish for `graceMs`, breaks off the rest and records that. Idempotent.
   */
  close(options?: CloseOptions): Promise<void>;
}

/** How a proxy stops. Milliseconds. */
export interface CloseOptions {
  /** How long exchanges may go on. Default 0. */
  readonly graceMs?: number | undefined;
  /**
   * How long connections without an exchange are kept, within the grace: a request that is on its way then gets its answer, and
   * with that the connection ends. Default 0.
   */
  readonly idleMs?: number | undefined;
}

/** How often a proxy that stops looks whether connections have become idle. */
const pollMs = 25;

/**
 * Starts the intercepting proxy.
 * @throws ProxyError PROXY_OPTIONS_INVALID, PROXY_LISTEN_FAILED
 */
export async function createProxy(options: ProxyOptions): Promise<ProxyServer> {
  const settings = resolveOptions(options);
  const { blobs, store, limits, logger } = settings;
  let { issuer } = settings;
  const upstreams = createUpstreams({ egress: settings.egress, upstream: settings.upstream, limits });
  const recorder = createRecorder({
    blobs,
    store,
    maxBatch: limits.recordBatch,
    maxWaiting: limits.recordQueue,
    logger,
  });
  const live = createLiveSessions();
  const sharing = new Limits(settings);
  const context: ProxyContext = {
    settings: { ...settings, issuer: { contextFor: (host) => issuer.contextFor(host) } },
    upstreams,
    recorder,
    catalogs: createTrustedCatalogs(store),
    live,
    limits: sharing,
    answers: settings.answers,
  };
  const engine = await startEngine(context, (incoming) => carry(incoming, context));
  let closing: Promise<void> | undefined;

  async function shutDown({ graceMs = 0, idleMs = 0 }: CloseOptions): Promise<void> {
    const began = performance.now();
    const hasPassed = (ms: number) => performance.now() - began >= ms;
    engine.retire();
    while (!hasPassed(Math.min(idleMs, graceMs)) && engine.stats().connections > 0) await sleep(pollMs);
    while (live.running > 0) {
      engine.endIdle();
      if (hasPassed(graceMs)) live.endAll();
      await Promise.race([live.allSettled(), sleep(pollMs)]);
    }
    engine.close();
    await upstreams.close();
    await recorder.drained();
  }

  return {
    host: engine.host,
    port: engine.port,
    setIssuer(next) {
      issuer = next;
    },
    setEgress: (guard) => upstreams.setEgress(guard),
    stats: () => ({
      ...engine.stats(),
      exchanges: live.running,
      waiting: sharing.waiting,
      recording: recorder.waiting,
      upstream: upstreams.stats(),
    }),
    settled: (sessionId) => live.settled(sessionId),
    drain: () => engine.announceEnd(),
    close(how = {}) {
      closing ??= shutDown(how);
      return closing;
    },
  };
}
