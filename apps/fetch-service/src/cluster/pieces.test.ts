import { describe, expect, it } from 'vitest';
import { Channel, type Port } from './channel.js';
import { fetchPieces, servePieces } from './pieces.js';

function pair(): [Channel, Channel] {
  const listeners: ((message: unknown) => void)[] = [];
  const port = (own: number): Port => ({
    send: (message) => void setImmediate(() => listeners[1 - own]?.(JSON.parse(JSON.stringify(message)))),
    onMessage: (listener) => {
      listeners[own] = listener;
    },
    onClose: () => {},
  });
  return [new Channel(port(0)), new Channel(port(1))];
}

async function text(answer: string | AsyncIterable<string>): Promise<string> {
  if (typeof answer === 'string') return answer;
  let all = '';
  for await (const piece of answer) all += piece;
  return all;
}

async function* numbers(count: number, seen: number[]): AsyncGenerator<string> {
  for (let n = 0; n < count; n++) {
    seen.push(n);
    yield `${n},`;
  }
}

describe('answers between processes', () => {
  it.each([0, 1, 20, 50_000])('%i pieces arrive whole, and are made as they are asked for', async (count) => {
    const [asks, serves] = pair();
    const seen: number[] = [];
    const answer = servePieces(serves)(numbers(count, seen));
    expect(seen).toEqual([]);
    const pieces = fetchPieces(asks, answer);
    const expected = Array.from({ length: count }, (_, n) => `${n},`).join('');
    expect(await text(pieces)).toBe(expected);
  });

  it('a short text goes as it is', async () => {
    const [asks, serves] = pair();
    expect(await text(fetchPieces(asks, servePieces(serves)('done')))).toBe('done');
  });

  it('a fault in the middle is a fault at the other end', async () => {
    const [asks, serves] = pair();
    async function* broken(): AsyncGenerator<string> {
      yield 'x'.repeat(100_000);
      throw new Error('the store is gone');
    }
    await expect(text(fetchPieces(asks, servePieces(serves)(broken())))).rejects.toThrow('the store is gone');
  });
});
