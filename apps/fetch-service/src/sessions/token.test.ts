import { describe, expect, it } from 'vitest';
import { createSessionId, createToken, digestToken, isSessionId, isToken } from './token.js';

describe('tokens and ids', () => {
  it('draws tokens of letters and digits, each its own', () => {
    const tokens = Array.from({ length: 200 }, () => createToken());
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(new Set(tokens).size).toBe(200);
  });

  it('uses the randomness it is given', () => {
    const random = { bytes: (count: number) => new Uint8Array(count).fill(0xab), integer: () => 1 };
    expect(createToken(random)).toBe('B'.repeat(32));
    expect(createSessionId(random)).toBe('ab'.repeat(16));
  });

  it('compares with the digest', () => {
    expect(isToken('secret', digestToken('secret'))).toBe(true);
    expect(isToken('Secret', digestToken('secret'))).toBe(false);
    expect(isToken('', digestToken('secret'))).toBe(false);
    expect(isToken('secret', '')).toBe(false);
    expect(isToken('secret', 'zz'.repeat(32))).toBe(false);
  });

  it.each([
    ['0123456789abcdef0123456789abcdef', true],
    ['mine1', true],
    ['', false],
    ['..', false],
    ['a/b', false],
    ['ABC', false],
    ['a\u0000', false],
    ['a\n', false],
    ['a'.repeat(65), false],
  ])('takes %j for an id: %s', (id, expected) => {
    expect(isSessionId(id)).toBe(expected);
  });
});
