import { describe, expect, it } from 'vitest';
import { parseEvent } from './follow-session.js';

describe('parseEvent', () => {
  it.each([
    [
      'event: download\ndata: {"url":"https://a.example/","size":5}',
      { kind: 'download', url: 'https://a.example/', size: 5 },
    ],
    [
      'event: refusal\ndata: {"url":"u","reason":"why","delivered":true}',
      { kind: 'refusal', reason: 'why', delivered: true },
    ],
    [': alive', undefined],
    ['event: end\ndata: {}', undefined],
    ['event: download\ndata: {', undefined],
    ['event: refusal\ndata: {"url":"a\\u001b[2J"}', { kind: 'refusal', url: 'a\ufffd[2J' }],
    ['event: refusal\ndata: {"reason":"no\\nwarning: forged\\u202e"}', { reason: 'no warning: forged\ufffd' }],
  ])('%j', (block, wanted) => {
    if (wanted === undefined) expect(parseEvent(block)).toBeUndefined();
    else expect(parseEvent(block)).toMatchObject(wanted);
  });
});
