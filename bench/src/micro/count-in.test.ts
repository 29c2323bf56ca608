import { describe, expect, it } from 'vitest';
import { countIn } from './count-in.ts';

describe('countIn', () => {
  const text = '"status-code": 200, "status-code": 404 status-code "status-cod "status-code"';

  it.each([1, 2, 5, 12, 13, 14, 1000])('finds each occurrence once in pieces of %i bytes', (size) => {
    const counter = countIn('"status-code"');
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) counter.take(bytes.subarray(at, at + size));
    expect(counter.found()).toBe(3);
  });

  it('finds none in nothing', () => {
    const counter = countIn('ab');
    counter.take(Buffer.alloc(0));
    expect(counter.found()).toBe(0);
  });
});
