import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { startAttackScene, statuses } from './attack-scene.js';
import { fetchThrough } from './client.js';
import { startTestProxy } from './harness.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** What a server, a package or a client could write to forge a header, a line of a log, or what a terminal shows. */
const evil = 'left\r\nX-Evil: 1\r\n\r\n<b>\u0000\u001b[2J\u001b]0;owned\u0007\u0085\u2028\u202e\u2066\ufeff\ud800right';
// biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be left
const driving = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff\ud800]/;

describe('text of strangers', () => {
  it.each(['text/plain', 'application/json'])(
    'in the reason of a refusal: %s stays one answer of one line',
    async (accept) => {
      const scene = await startAttackScene('plain');
      closing.push(scene.close);
      const session = scene.at.session('strict', { onRequest: () => ({ opinion: 'Rejected', reason: evil }) });
      const text = await scene.send(
        `GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`,
        session,
      );
      expect(statuses(text)).toEqual([403]);
      const [head = '', body = ''] = text.split('\r\n\r\n');
      expect(head.split('\r\n').map((line) => line.replace(/:.*/, ''))).not.toContain('X-Evil');
      expect(head).not.toMatch(/[^\r\n\x20-\x7e]/);
      const said = Buffer.from(body, 'latin1').toString('utf8');
      expect(said.trimEnd()).not.toMatch(/\n/);
      expect(said.replace(/\n/g, '')).not.toMatch(driving);
      if (accept === 'application/json')
        expect(JSON.parse(said)).toMatchObject({ reason: expect.stringContaining('left') });
    },
  );

  it('in records and events: what reports, logs and event streams are made of', async () => {
    const upstream = await startHttpUpstream((_request, response) => {
      response.setHeader('Content-Type', 'text/plain; name="\u0085\u009b2J"');
      response.end('body');
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('permissive', { onArtifact: () => ({ opinion: 'Rejected', reason: evil }) });
    // UTF-8 that is a control character or an override when somebody decodes it.
    const agent = Buffer.from('agent \u202e\u009b2J').toString('latin1');
    await fetchThrough(at, session, `${upstream.url}/%1b%5b2J%0d%0a`, {
      headers: ['User-Agent', agent, 'Referer', `http://a:b@c/\u0085`],
    });
    const { all } = await at.report(session);
    // Maps become objects, as in the report.
    const places: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value === 'string' && (/[\r\n]/.test(value) || driving.test(value))) places.push(`${path}: ${value}`);
      else if (value instanceof Map) for (const [key, item] of value) visit(item, `${path}.${key}`);
      else if (typeof value === 'object' && value !== null)
        for (const [key, item] of Object.entries(value)) visit(item, `${path}.${key}`);
    };
    visit([all, at.events.map(({ url, refusal }) => ({ url, refusal }))], '');
    expect(places).toEqual([]);
  });

  it('in credentials that are refused: bounded, for the security log to clean', async () => {
    const scene = await startAttackScene('plain');
    closing.push(scene.close);
    const credentials = Buffer.from(`${'x'.repeat(600)}\u001b[2J:token`).toString('base64');
    const text = await scene.send(
      `GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
      scene.at.session(),
    );
    expect(statuses(text)).toEqual([407]);
    expect(text).not.toContain('xxx');
    expect(scene.at.turnedAway[0]?.sessionId?.length).toBeLessThanOrEqual(64);
  });

  it('in the status line of an upstream is not taken into ours', async () => {
    const scene = await startAttackScene('plain', {
      answer: (socket) =>
        void socket.write(Buffer.from('HTTP/1.1 404 Not\tFound \x1b[31m\x9b2J\r\nContent-Length: 0\r\n\r\n', 'latin1')),
    });
    closing.push(scene.close);
    const session = scene.at.session();
    const text = await scene.send('GET TARGET/a HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nConnection: close\r\n\r\n', session);
    expect(text.split('\r\n')[0]).toMatch(/^HTTP\/1\.1 404 Not\tFound /);
    expect(text).not.toContain('\x1b');
    const { responses } = await scene.at.report(session);
    expect(JSON.stringify(responses)).not.toMatch(driving);
  });
});
