import { expect, it } from 'vitest';
import { silentProgress } from '../output/progress.js';
import { createTrafficCounter } from './traffic-counter.js';

it('tells a refusal once, and whether it was delivered nevertheless', () => {
  const told: string[] = [];
  let refusals = 0;
  const counter = createTrafficCounter({
    ...silentProgress,
    warn: (text) => told.push(text),
    traffic: (traffic) => {
      refusals = traffic.refusals;
    },
  });
  const refusal = { kind: 'refusal' as const, url: 'https://x.example:443/', size: 0, reason: 'unknown' };
  for (const delivered of [false, false, true]) counter.seen({ ...refusal, delivered });
  counter.seen({ ...refusal, kind: 'download', delivered: true });
  expect(told).toEqual([
    'refused: https://x.example:443/: unknown',
    'a strict session would refuse: https://x.example:443/: unknown',
  ]);
  expect(refusals).toBe(3);
});

it('does not fill the screen', () => {
  const told: string[] = [];
  const counter = createTrafficCounter({ ...silentProgress, warn: (text) => told.push(text) });
  for (let n = 0; n < 100; n++) {
    counter.seen({ kind: 'refusal', url: `https://x.example:443/${n}`, size: 0, reason: 'unknown', delivered: true });
  }
  expect(told).toHaveLength(21);
  expect(told.at(-1)).toBe('and more, which are listed at the end and in the report');
});
