import { describe, expect, it } from 'vitest';
import { movableClock } from '../../test/fakes.js';
import { createFailureLimit } from './failure-limit.js';
import { createSecurityLog, withoutPort } from './security-log.js';

describe('createFailureLimit', () => {
  it('lets so many through a minute, and says how many it left out', () => {
    const clock = movableClock();
    const limit = createFailureLimit(clock);
    const tries = (count: number, client = 'a') => Array.from({ length: count }, () => limit.note(client));
    expect(tries(60)).toEqual(Array(60).fill(0));
    expect(tries(40)).toEqual(Array(40).fill(undefined));
    expect(limit.note('b')).toBe(0);
    clock.advance(60_000);
    expect(tries(2)).toEqual([40, 0]);
  });

  it('is bounded however many clients there are, also when the clock is set back', () => {
    const clock = movableClock();
    const limit = createFailureLimit(clock);
    for (let i = 0; i < 5000; i += 1) expect(limit.note(`client-${i}`)).toBe(0);
    clock.advance(-3_600_000);
    expect(limit.note('client-4999')).toBe(0);
  });
});

it('the security log stays small while somebody guesses, whatever the port', () => {
  const lines: string[] = [];
  const clock = movableClock();
  const log = createSecurityLog((line) => void lines.push(line), clock);
  const guess = (port: number) =>
    log.event('WARN', `authn_login_fail:${port}`, 'proxy credentials were refused', {
      client_ip: `[2001:db8::1]:${port}`,
    });
  for (let port = 1; port <= 1000; port += 1) guess(port);
  expect(lines).toHaveLength(60);
  // Everything else is still written.
  log.event('CRITICAL', 'authn_token_reuse:x', 'the token of a session that is revoked was used');
  clock.advance(60_000);
  guess(1001);
  expect(lines).toHaveLength(62);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ event: 'authn_login_fail:1001', omitted_before: 940 });
});

it.each([
  ['192.0.2.1:443', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['2001:db8::1', '2001:db8::1'],
  ['', ''],
])('withoutPort(%j)', (address, wanted) => expect(withoutPort(address)).toBe(wanted));
