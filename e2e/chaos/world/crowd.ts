import { setTimeout as sleep } from 'node:timers/promises';
import { type Chance, createChance } from './chance.js';
import { type Got, nothing, openTunnel, type Tunnel, TunnelError } from './client.js';
import type { ChaosDaemon } from './daemon.js';
import type { Good, Goods } from './goods.js';
import type { Clock, KnownSession } from './sessions.js';

export interface CrowdOptions {
  readonly daemon: ChaosDaemon;
  /** Further replicas that clients are sent to. */
  readonly others?: readonly ChaosDaemon[] | undefined;
  readonly goods: Goods;
  readonly origin: string;
  readonly clock: Clock;
  readonly seed: number;
  /** Clients at a time. */
  readonly clients: number;
  /** Sessions to choose from. */
  readonly sessions: () => readonly KnownSession[];
}

/** Clients that download without pause, whatever becomes of the daemon. */
export interface Crowd {
  start(): void;
  /** Lets each client finish what it has begun. */
  stop(): Promise<void>;
  /** One honest download through a new tunnel of each replica that has to succeed. */
  probe(session: KnownSession): Promise<void>;
}

/** Replicas hear of each other's changes within a second; a busy machine takes longer. */
const lagMs = 10_000;

/** Names of attempts are unique over the whole run. */
let attempts = 0;

export function createCrowd(options: CrowdOptions): Crowd {
  let isRunning = false;
  let running: Promise<unknown> = Promise.resolve();
  let generation = 0;
  const pinned = options.goods.all.filter(({ kind }) => kind === 'pinned');
  return {
    start() {
      isRunning = true;
      generation++;
      const chances = Array.from({ length: options.clients }, (_, at) =>
        createChance(options.seed, `client ${generation} ${at}`),
      );
      running = Promise.all(chances.map((chance) => work(options, chance, () => isRunning)));
    },
    async stop() {
      isRunning = false;
      await running;
    },
    async probe(session) {
      const chance = createChance(options.seed, `probe ${session.id}`);
      for (const by of [options.daemon, ...(options.others ?? [])]) {
        const tunnel = await openTunnelFor(options, { session, by }).catch((error: Error) => error);
        const plan = { good: chance.of(pinned), method: 'GET' as const, range: undefined, mustSucceed: true };
        if (tunnel instanceof Error) {
          note(options, session, plan, { begun: options.clock(), got: failure(tunnel) });
          continue;
        }
        await fetchOne(options, { session, tunnel, plan, mayLag: false });
        tunnel.close();
      }
    },
  };
}

async function work(options: CrowdOptions, chance: Chance, isRunning: () => boolean): Promise<void> {
  while (isRunning()) {
    const offered = options.sessions().filter(({ isOffered }) => isOffered);
    if (offered.length === 0) {
      await sleep(5);
      continue;
    }
    await useTunnel(options, { session: chance.of(offered), chance, isRunning });
  }
}

interface Visit {
  readonly session: KnownSession;
  readonly chance: Chance;
  readonly isRunning: () => boolean;
}

/** A few requests on one tunnel. */
async function useTunnel(options: CrowdOptions, { session, chance, isRunning }: Visit): Promise<void> {
  const begun = options.clock();
  const by = chance.of([options.daemon, ...(options.others ?? [])]);
  const mayLag = () => by !== options.daemon && performance.now() - session.changedAtMs < lagMs;
  let tunnel: Tunnel;
  try {
    tunnel = await openTunnelFor(options, { session, by });
  } catch (error) {
    const got = failure(error as Error);
    // A daemon that is down is no news.
    if (got.outcome === 'unauthorized') note(options, session, planFor(options.goods, chance), { begun, got });
    await sleep(chance.between(2, 15));
    return;
  }
  for (let left = chance.between(1, 12); left > 0 && tunnel.isOpen && isRunning(); left--) {
    await fetchOne(options, { session, tunnel, plan: planFor(options.goods, chance), mayLag: mayLag() });
  }
  tunnel.close();
}

interface Plan {
  readonly good: Good;
  readonly method: 'GET' | 'HEAD';
  readonly range: { readonly start: number; readonly end: number } | undefined;
  readonly leaveAfter?: number | undefined;
  readonly slowMs?: number | undefined;
  readonly mustSucceed?: boolean;
}

function planFor({ all }: Goods, chance: Chance): Plan {
  const good = chance.of(all);
  const size = good.body.length;
  const start = chance.between(0, size);
  return {
    good,
    method: chance.happens(0.03) ? 'HEAD' : 'GET',
    range: chance.happens(0.06) ? { start, end: chance.between(start, size) } : undefined,
    leaveAfter: chance.happens(0.03) ? chance.between(0, size) : undefined,
    slowMs: chance.happens(0.04) ? chance.between(1, 20) : undefined,
  };
}

async function openTunnelFor(
  { daemon, origin }: CrowdOptions,
  { session: { id, token }, by }: { readonly session: KnownSession; readonly by: ChaosDaemon },
): Promise<Tunnel> {
  const caPem = await daemon.caPem().catch(() => {
    throw new TunnelError('there is no CA yet');
  });
  return openTunnel({ proxyPort: by.ports.proxy, caPem, credentials: { id, token }, origin });
}

interface Fetching {
  readonly session: KnownSession;
  readonly tunnel: Tunnel;
  readonly plan: Plan;
  readonly mayLag: boolean;
}

async function fetchOne(options: CrowdOptions, { session, tunnel, plan, mayLag }: Fetching): Promise<void> {
  const { good, method, range, leaveAfter, slowMs } = plan;
  const id = nameNext();
  const begun = options.clock();
  const headers = { 'user-agent': id, ...(range && { range: `bytes=${range.start}-${range.end}` }) };
  const got = await tunnel.ask({ path: good.path, method, headers, leaveAfter, slowMs });
  note(options, session, plan, { id, begun, got, mayLag });
}

function note(
  { clock, origin }: CrowdOptions,
  session: KnownSession,
  { good, method, range, mustSucceed }: Plan,
  {
    id = nameNext(),
    begun,
    got,
    mayLag,
  }: { readonly id?: string; readonly begun: number; readonly got: Got; readonly mayLag?: boolean },
): void {
  const url = origin + good.path;
  session.attempts.push({
    id,
    session: session.id,
    method,
    url,
    range,
    begun,
    ended: clock(),
    mayLag,
    mustSucceed,
    ...got,
  });
}

function nameNext(): string {
  attempts++;
  return `chaos-${attempts}`;
}

function failure(error: Error): Got {
  const status = error instanceof TunnelError ? error.status : undefined;
  const outcome = status === 407 ? 'unauthorized' : 'unsent';
  return { outcome, size: 0, sha256: nothing, note: error.message, ...(status === 407 && { status }) };
}
