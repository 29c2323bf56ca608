import type { Peers } from '../daemon/peers.js';
import type { Channel } from './channel.js';
import { type Assignment, topics } from './topics.js';

/** Uses are told at most so often: the primary needs to know that, not how much. */
const touchEveryMs = 500;
/** Longer than a process waits for its own exchanges to be recorded. */
const othersTimeoutMs = 15_000;

/** The other processes, by way of the primary. */
export function createWorkerPeers(channel: Channel, { slot, startedAt, ephemeralKey }: Assignment): Peers {
  let touchedAt = Number.NEGATIVE_INFINITY;
  return {
    slot,
    startedAt: new Date(startedAt),
    ephemeralKey: ephemeralKey === undefined ? undefined : Buffer.from(ephemeralKey, 'base64'),
    ask: <Answer>(topic: string, body?: unknown) =>
      channel.ask<Answer[]>(topics.askOthers, { topic, body }, othersTimeoutMs),
    tell: (topic, body) => channel.tell(topics.tellOthers, { topic, body }),
    on: (topic, receiver) => channel.on(topic, receiver),
    touched() {
      const now = performance.now();
      if (now - touchedAt < touchEveryMs) return;
      touchedAt = now;
      channel.tell(topics.touched);
    },
    sessionCreated: () => channel.tell(topics.sessionCreated),
    createdCount: () => channel.ask<number>(topics.createdCount),
  };
}
