import type { Socket } from 'node:net';
import type { ActiveSession } from '@waybill/contracts';
import type { Stop } from '../stop.js';
import { FairSlots } from './fair-slots.js';
import { tooManyConnections } from './limit-stops.js';

/**
 * Whose the client connections are. Those of sessions share the room fairly; those that have not shown credentials live only
 * as long as there is room: the oldest of them makes way for a new one, so that nobody without a session keeps others out.
 */
export class ClientConnections {
  readonly #most: number;
  readonly #shares: FairSlots;
  readonly #strangers = new Set<Socket>();
  readonly #owners = new WeakMap<Socket, string>();

  constructor(most: number) {
    this.#most = most;
    this.#shares = new FairSlots(most);
  }

  /** A connection came in. */
  accepted(socket: Socket): void {
    this.#strangers.add(socket);
    socket.once('close', () => this.#closed(socket));
    if (this.#strangers.size + this.#shares.taken <= this.#most) return;
    for (const oldest of this.#strangers) {
      this.#strangers.delete(oldest);
      oldest.destroy();
      return;
    }
  }

  /** The connection showed a session's credentials. @returns why it is one too many */
  claim(socket: Socket, { id, limits }: ActiveSession, most = limits.quotas?.connections ?? 0): Stop | undefined {
    const owner = this.#owners.get(socket);
    if (owner === id || socket.destroyed) return undefined;
    if (!this.#shares.tryTake(id, most)) {
      const held = this.#shares.heldBy(id);
      return tooManyConnections(most > 0 && held >= most, held);
    }
    if (owner !== undefined) this.#shares.free(owner);
    this.#strangers.delete(socket);
    this.#owners.set(socket, id);
    return undefined;
  }

  #closed(socket: Socket): void {
    this.#strangers.delete(socket);
    const owner = this.#owners.get(socket);
    if (owner === undefined) return;
    this.#owners.delete(socket);
    this.#shares.free(owner);
  }
}
