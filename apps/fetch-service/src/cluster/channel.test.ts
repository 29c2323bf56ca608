import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { FetchServiceError } from '../errors.js';
import { Channel, type Port } from './channel.js';

/** Two ends of a pipe that serialises as the real one does. */
function pipe(): { readonly ends: [Channel, Channel]; close(): void; inject(message: unknown): void } {
  const [a, b] = [new EventEmitter(), new EventEmitter()];
  const port = (here: EventEmitter, there: EventEmitter): Port => ({
    send: (message) => setImmediate(() => there.emit('message', JSON.parse(JSON.stringify(message)))),
    onMessage: (listener) => void here.on('message', listener),
    onClose: (listener) => void here.on('close', listener),
  });
  return {
    ends: [new Channel(port(a, b)), new Channel(port(b, a))],
    close() {
      a.emit('close');
      b.emit('close');
    },
    inject: (message) => void b.emit('message', message),
  };
}

describe('Channel', () => {
  it('answers questions, many at a time', async () => {
    const [asks, answers] = pipe().ends;
    answers.on<number>('double', async (n) => {
      await new Promise((resolve) => setTimeout(resolve, 10 - n));
      return 2 * n;
    });
    expect(await Promise.all([1, 5, 3].map((n) => asks.ask<number>('double', n)))).toEqual([2, 10, 6]);
  });

  it('carries errors with their code and hint', async () => {
    const [asks, answers] = pipe().ends;
    answers.on('fail', () => {
      throw new FetchServiceError('FETCH_REQUEST_INVALID', 'no', { hint: 'do this' });
    });
    answers.on('break', () => {
      throw new TypeError('broken');
    });
    await expect(asks.ask('fail')).rejects.toMatchObject({
      code: 'FETCH_REQUEST_INVALID',
      message: 'no',
      hint: 'do this',
    });
    await expect(asks.ask('break')).rejects.toThrow('broken');
    await expect(asks.ask('unheard')).rejects.toMatchObject({ code: 'FETCH_PROCESS_GONE' });
  });

  it('what is told needs no answer', async () => {
    const [tells, hears] = pipe().ends;
    const heard: unknown[] = [];
    hears.on('note', (body) => void heard.push(body));
    hears.on('fail', () => {
      throw new Error('nobody hears of this');
    });
    for (const topic of ['fail', 'unheard', 'note']) tells.tell(topic, { topic });
    await tells.ask('unheard').catch(() => {});
    expect(heard).toEqual([{ topic: 'note' }]);
  });

  it('does not wait for somebody who is gone, or silent', async () => {
    const { ends, close } = pipe();
    ends[1].on('wait', () => new Promise(() => {}));
    await expect(ends[0].ask('wait', undefined, 20)).rejects.toMatchObject({ code: 'FETCH_PROCESS_GONE' });
    const asked = ends[0].ask('wait');
    close();
    await expect(asked).rejects.toMatchObject({ code: 'FETCH_PROCESS_GONE' });
    await expect(ends[0].ask('wait')).rejects.toMatchObject({ code: 'FETCH_PROCESS_GONE' });
    ends[0].tell('note');
  });

  it('leaves alone what others send on the same pipe', async () => {
    const { ends, inject } = pipe();
    for (const message of [
      undefined,
      null,
      'text',
      {},
      { type: 'prom-client:getMetricsReq' },
      { waybill: 'answer', id: 99 },
    ])
      inject(message);
    ends[1].on('alive', () => true);
    expect(await ends[0].ask('alive')).toBe(true);
  });
});
