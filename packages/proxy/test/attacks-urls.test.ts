import { afterEach, describe, expect, it } from 'vitest';
import { type AttackScene, startAttackScene, statuses, ways } from './attack-scene.js';
import { askConnect, dial } from './client.js';
import { startTestProxy } from './harness.js';

/** What is judged must be what the upstream is asked for, however it is spelled (path confusion, homographs). */
describe.each(ways)('spellings of a URL, %s', (way) => {
  let scene: AttackScene | undefined;
  afterEach(async () => {
    await scene?.close();
    scene = undefined;
  });

  async function ask(target: string) {
    scene = await startAttackScene(way);
    const session = scene.at.session('strict');
    const text = await scene.send(
      `GET TARGET${target} HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nConnection: close\r\n\r\n`,
      session,
    );
    const [view] = session.inspected.requests;
    const [, asked] = /^GET (\S+) HTTP\/1\.1/.exec(scene.upstream.received) ?? [];
    return { status: statuses(text)[0], judged: view?.url, normalized: view?.normalizedUrl, asked };
  }

  it.each([
    ['/allowed/../secret', '/secret'],
    ['/allowed/%2e%2e/secret', '/secret'],
    ['/allowed/%2E%2e/secret', '/secret'],
    ['/allowed/.%2e/secret', '/secret'],
    ['/allowed/..', '/'],
    ['/allowed/./secret', '/allowed/secret'],
    ['/allowed\\..\\secret', '/secret'],
    ['/../../../secret', '/secret'],
    ['/allowed/..%2fsecret', '/allowed/..%2fsecret'],
    ['/allowed/%2e%2e%2fsecret', '/allowed/%2e%2e%2fsecret'],
    ['/allowed/..%5csecret', '/allowed/..%5csecret'],
    ['/allowed/%252e%252e/secret', '/allowed/%252e%252e/secret'],
    ['/allowed/..;/secret', '/allowed/..;/secret'],
    ['/allowed;p=1/../secret', '/secret'],
    ['/allowed;/secret', '/allowed;/secret'],
    ['//evil.example/secret', '//evil.example/secret'],
    ['///secret', '///secret'],
    ['/@evil.example/secret', '/@evil.example/secret'],
    ['/allowed%00.tgz', '/allowed%00.tgz'],
    ['/allowed%0d%0aX-Evil:%201', '/allowed%0d%0aX-Evil:%201'],
    ['/allowed%c0%ae%c0%ae/secret', '/allowed%c0%ae%c0%ae/secret'],
    ['/allowed%u002e%u002e/secret', '/allowed%u002e%u002e/secret'],
    ['/ALLOWED', '/ALLOWED'],
    ['/allowed?next=/../secret', '/allowed?next=/../secret'],
    ['/allowed?', '/allowed'],
    ['/allowed#/../secret', '/allowed'],
    ['/allowed?a#b?c', '/allowed?a'],
    ['/allowed\'"<>`{}|^', "/allowed'%22%3C%3E%60%7B%7D|%5E"],
  ])('%s is judged and asked for as %s', async (target, wanted) => {
    const { status, judged, normalized, asked } = await ask(target);
    expect(status).toBe(200);
    expect(asked).toBe(wanted);
    expect(`${judged?.pathname}${judged?.search}`).toBe(wanted);
    expect(normalized?.endsWith(wanted)).toBe(true);
    expect(scene?.upstream.received).not.toMatch(/^X-Evil/m);
  });

  it.each(['/a%', '/a%zz', '/a%f', '/%', '/a~!$&()*+,=:@'])(
    '%s: what is no encoding stays as it is',
    async (target) => {
      const { status, asked } = await ask(target);
      expect([status, asked]).toEqual([200, target]);
    },
  );
});

describe('spellings of a host', () => {
  it.each([
    ['upper case', 'http://UPSTREAM.Example:PORT/a'],
    ['percent encoding', 'http://%75pstream.example:PORT/a'],
    ['user info', 'http://evil.example:80@upstream.example:PORT/a'],
    ['an escaped @ in the user info', 'http://evil.example%40@upstream.example:PORT/a'],
    ['full-width letters', 'http://%EF%BD%95pstream.example:PORT/a'],
    ['a soft hyphen', 'http://up%C2%ADstream.example:PORT/a'],
    ['ideographic full stops', 'http://upstream%E3%80%82example:PORT/a'],
    ['a scheme in upper case', 'HTTP://upstream.example:PORT/a'],
  ])('%s: one host to judge, to resolve and to name', async (_name, url) => {
    const asked: string[] = [];
    const scene = await startAttackScene('plain', {
      upstream: {
        lookup: async (host) => {
          asked.push(host);
          return [{ address: '127.0.0.1', family: 4 }];
        },
      },
    });
    try {
      const session = scene.at.session();
      const text = await scene.send(`GET ${url} HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nConnection: close\r\n\r\n`, session);
      expect(statuses(text)).toEqual([200]);
      const { port } = scene.upstream;
      expect(asked).toEqual(['upstream.example']);
      expect(session.inspected.requests[0]?.normalizedUrl).toBe(`http://upstream.example:${port}/a`);
      expect(scene.upstream.received).toMatch(new RegExp(`^host: upstream\\.example:${port}\\r$`, 'im'));
    } finally {
      await scene.close();
    }
  });

  it.each([
    ['Cyrillic letters that look like others', 'http://upstre%D0%B0m.example/a', 'xn--upstrem-7fg.example'],
    ['a letter with an accent', 'http://%C3%BCpstream.example/a', 'xn--pstream-m2a.example'],
    ['its name in ASCII', 'http://xn--pstream-m2a.example/a', 'xn--pstream-m2a.example'],
  ])('%s: another host, shown as such', async (_name, url, wanted) => {
    const scene = await startAttackScene('plain', { upstream: { lookup: async () => [] } });
    try {
      const session = scene.at.session();
      await scene.send(`GET ${url} HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nConnection: close\r\n\r\n`, session);
      expect(session.inspected.requests[0]?.url.hostname).toBe(wanted);
    } finally {
      await scene.close();
    }
  });

  it.each([
    'upstre\u0430m.example:443',
    'up%73tream.example:443',
    'upstream.example.:443',
    'upstream.example\\evil.example:443',
    'upstream.example/evil.example:443',
    'upstream.example#evil.example:443',
    'upstream.example?evil.example:443',
    'evil.example@upstream.example:443',
    'upstream example:443',
    'upstream.example:443@evil.example:443',
    '*.example:443',
    'xn--\u00e9.example:443',
    'xn--a-ecp.ru:443x',
  ])('CONNECT %s: refused', async (authority) => {
    const at = await startTestProxy();
    try {
      expect(await askConnect(await dial(at), at.session(), authority)).toMatch(/^HTTP\/1\.1 400 /);
    } finally {
      await at.close();
    }
  });
});
