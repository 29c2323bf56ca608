import type { Socket } from 'node:net';
import type { ActiveSession, SessionQuotas } from '@waybill/contracts';
import type { ProxySettings } from '../options.js';
import type { Stop } from '../stop.js';
import { ClientConnections } from './client-connections.js';
import { FairSlots } from './fair-slots.js';
import { SessionUse } from './session-use.js';

/** Origins whose slots are kept although nobody uses them. */
const idleOrigins = 256;

/** What all sessions share, and what each has used of it. */
export class Limits {
  readonly exchanges: FairSlots;
  readonly #settings: Pick<ProxySettings, 'limits' | 'processes' | 'recordedUse'>;
  readonly #connections: ClientConnections;
  /** Least recently asked for first. */
  readonly #origins = new Map<string, FairSlots>();
  readonly #uses = new WeakMap<AbortSignal, SessionUse>();
  readonly #quotas = new WeakMap<SessionQuotas, SessionQuotas>();

  constructor(settings: Pick<ProxySettings, 'limits' | 'processes' | 'recordedUse'>) {
    this.#settings = settings;
    this.exchanges = new FairSlots(settings.limits.maxExchanges);
    this.#connections = new ClientConnections(settings.limits.maxConnections);
  }

  /** Exchanges that wait for their turn, at the service or at an origin. */
  get waiting(): number {
    let sum = this.exchanges.waiting;
    for (const slots of this.#origins.values()) sum += slots.waiting;
    return sum;
  }

  accepted(socket: Socket): void {
    this.#connections.accepted(socket);
  }

  /** @returns why the connection is one too many for its session */
  claim(socket: Socket, session: ActiveSession): Stop | undefined {
    return this.#connections.claim(socket, session, this.quotasOf(session)?.connections);
  }

  /** What the session may use of this process; undefined when nothing bounds it. */
  quotasOf({ limits: { quotas } }: ActiveSession): SessionQuotas | undefined {
    if (!quotas || this.#settings.processes === 1) return quotas;
    const known = this.#quotas.get(quotas) ?? shareOf(quotas, this.#settings.processes);
    this.#quotas.set(quotas, known);
    return known;
  }

  /** undefined when nothing bounds the session. */
  useOf(session: ActiveSession): SessionUse | undefined {
    const quotas = this.quotasOf(session);
    if (!quotas) return undefined;
    const known = this.#uses.get(session.signal) ?? new SessionUse(session, quotas, this.#settings.recordedUse);
    this.#uses.set(session.signal, known);
    return known;
  }

  /** Connections to one origin. */
  slotsOf(origin: string): FairSlots {
    const known = this.#origins.get(origin);
    if (known) return known;
    const slots = new FairSlots(this.#settings.limits.connectionsPerOrigin);
    this.#origins.set(origin, slots);
    if (this.#origins.size > idleOrigins) this.#forgetIdle();
    return slots;
  }

  #forgetIdle(): void {
    for (const [origin, { taken, waiting }] of this.#origins) {
      if (taken + waiting === 0) this.#origins.delete(origin);
      if (this.#origins.size <= idleOrigins / 2) return;
    }
  }
}

/** What holds at a time or in a second is divided; totals are counted over all processes. */
function shareOf(quotas: SessionQuotas, processes: number): SessionQuotas {
  const divide = (most: number) => Math.ceil(most / processes);
  return {
    ...quotas,
    connections: divide(quotas.connections),
    exchanges: divide(quotas.exchanges),
    requestsPerSecond: divide(quotas.requestsPerSecond),
    bytesPerSecond: divide(quotas.bytesPerSecond),
  };
}
