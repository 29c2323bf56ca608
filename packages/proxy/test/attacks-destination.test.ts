import type { LookupAddress } from 'node:dns';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createEgressGuard } from '@waybill/policy';
import { startHttpUpstream } from '@waybill/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { statuses } from './attack-scene.js';
import { askConnect, dial, fetchThrough, readAll } from './client.js';
import type { FakeSession } from './fake-session.js';
import { startTestProxy, type TestProxy } from './harness.js';

/**
 * Server-side request forgery: a build asks the proxy, which may reach what the build may not, for something on the proxy's
 * own machine or network. The real guard decides; the service that must not be reached is a real one on loopback.
 */
describe('a destination that builds have no business with', () => {
  let victim: Server;
  let port = 0;
  let reached = 0;
  let at: TestProxy;
  let answers: (host: string) => readonly LookupAddress[];
  const asked: string[] = [];

  beforeAll(async () => {
    victim = createServer((socket) => {
      reached += 1;
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret');
    });
    await new Promise<void>((resolve) => victim.listen(0, '::', resolve));
    port = (victim.address() as AddressInfo).port;
    at = await startTestProxy({
      // 127.0.0.2 stands for an address that is allowed.
      egress: createEgressGuard({
        acl: { 'http-proxy': { policy: 'allow', rules: [{ dst: ['127.0.0.2'], access: 'allow' }] } },
      }),
      upstream: {
        lookup: async (host) => {
          asked.push(host);
          return answers(host);
        },
      },
    });
  });
  afterEach(() => {
    reached = 0;
    asked.length = 0;
  });
  afterAll(async () => {
    await at.close();
    await new Promise((resolve) => victim.close(resolve));
  });

  /** Asks in absolute form, byte for byte as written. */
  async function plain(session: FakeSession, url: string): Promise<string> {
    const socket = await dial(at);
    const rest = readAll(socket);
    socket.write(
      `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
    );
    return (await rest).text;
  }

  it.each([
    'http://127.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://127.0.1:PORT/',
    'http://2130706433:PORT/',
    'http://017700000001:PORT/',
    'http://0177.0.0.1:PORT/',
    'http://0x7f000001:PORT/',
    'http://0x7f.1:PORT/',
    'http://127.0.0.1.:PORT/',
    'http://127.000.000.001:PORT/',
    'http://0:PORT/',
    'http://0.0.0.0:PORT/',
    'http://00000000000000000000000000000:PORT/',
    'http://%31%32%37.0.0.1:PORT/',
    'http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1:PORT/',
    'http://127%E3%80%820%E3%80%820%E3%80%821:PORT/',
    'http://[::1]:PORT/',
    'http://[0:0:0:0:0:0:0:1]:PORT/',
    'http://[::]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://[::ffff:7f00:1]:PORT/',
    'http://[0:0:0:0:0:FFFF:7F00:0001]:PORT/',
    'http://[::127.0.0.1]:PORT/',
    'http://[::ffff:0:127.0.0.1]:PORT/',
    'http://[64:ff9b::7f00:1]:PORT/',
    'http://[64:ff9b:1::7f00:1]:PORT/',
    'http://[2002:7f00:1::]:PORT/',
    'http://[2001:0:7f00:1::]:PORT/',
    'http://[fe80::1%25lo]:PORT/',
    'http://[fe80::1]:PORT/',
    'http://user:password@127.0.0.1:PORT/',
    'http://allowed.example@127.0.0.1:PORT/',
    'http://allowed.example%40127.0.0.1:PORT/',
    'http:127.0.0.1:PORT/',
    'http:/127.0.0.1:PORT/',
    'http:\\\\127.0.0.1:PORT/',
    'http:////127.0.0.1:PORT/',
    'http://127.0.0.1:PORT\\@allowed.example/',
    'HTTP://127.0.0.1:PORT/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/latest/meta-data/',
    'http://2852039166/latest/meta-data/',
    'http://0xa9fea9fe/latest/meta-data/',
    'http://[::ffff:a9fe:a9fe]/latest/meta-data/',
    'http://100.100.100.200/latest/meta-data/',
    'http://168.63.129.16/machine/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
  ])('%s: refused before anything is connected to', async (url) => {
    answers = () => [];
    for (const policy of ['strict', 'permissive'] as const) {
      const session = at.session(policy);
      const text = await plain(session, url.replaceAll('PORT', String(port)));
      expect([400, 403, 502]).toContain(statuses(text)[0]);
      // What is no HTTP is turned away before anybody knows whose it is; everything else is in the report.
      const isNoHttp = text.startsWith('HTTP/1.1 400 Bad Request\r\n');
      const { all } = await at.report(session);
      expect(all).toMatchObject(isNoHttp ? [] : [{ kind: expect.stringMatching(/refusal|failure/) }]);
    }
    expect(reached).toBe(0);
  });

  it.each([
    '127.0.0.1:PORT',
    '127.1:PORT',
    '2130706433:PORT',
    '0x7f000001:PORT',
    '0177.0.0.1:PORT',
    '0:PORT',
    '0.0.0.0:PORT',
    '127.0.0.1.:PORT',
    '[::1]:PORT',
    '[::]:PORT',
    '[::ffff:127.0.0.1]:PORT',
    '[::ffff:7f00:1]:PORT',
    '[64:ff9b::127.0.0.1]:PORT',
    '[2002:7f00:1::]:PORT',
    '[fe80::1%25lo]:PORT',
    '[::1%25lo]:PORT',
    'user@127.0.0.1:PORT',
    '169.254.169.254:80',
  ])('CONNECT %s: refused at once, or with the first request', async (authority) => {
    answers = () => [];
    const session = at.session('permissive');
    const named = authority.replace('PORT', String(port));
    const socket = await dial(at);
    const head = await askConnect(socket, session, named);
    if (/^HTTP\/1\.1 200 /.test(head)) {
      const rest = readAll(socket);
      socket.write(`GET / HTTP/1.1\r\nHost: ${named}\r\nConnection: close\r\n\r\n`);
      expect(statuses((await rest).text)).toEqual([403]);
    } else expect(head).toMatch(/^HTTP\/1\.1 400 /);
    expect((await at.report(session)).refusals).toHaveLength(1);
    expect(reached).toBe(0);
  });

  it.each([
    ['localhost', '127.0.0.1'],
    ['LOCALHOST', '127.0.0.1'],
    ['localhost.localdomain', '127.0.0.1'],
    ['ip6-localhost', '::1'],
    ['anything.localhost', '::1'],
    ['wildcard-dns.127.0.0.1.example', '127.0.0.1'],
    ['mapped.example', '::ffff:127.0.0.1'],
    ['translated.example', '64:ff9b::7f00:1'],
    ['metadata.internal', '169.254.169.254'],
    ['unspecified.example', '0.0.0.0'],
    ['unspecified6.example', '::'],
  ])('the name %s, which is %s: refused', async (host, address) => {
    answers = () => [{ address, family: address.includes(':') ? 6 : 4 }];
    const session = at.session('permissive');
    const text = await plain(session, `http://${host}:${port}/`);
    expect(statuses(text)).toEqual([403]);
    expect(text).toContain('Access denied');
    expect(asked).toEqual([host.toLowerCase()]);
    expect(reached).toBe(0);
  });

  it.each(['localhost.', 'localhost..', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', 'local\u00adhost'])(
    'the name %s is localhost or nothing',
    async (host) => {
      answers = () => [{ address: '127.0.0.1', family: 4 }];
      const [status] = statuses(await plain(at.session('permissive'), `http://${encodeURIComponent(host)}:${port}/`));
      expect([400, 403]).toContain(status);
      expect(reached).toBe(0);
    },
  );

  it.each([22, 25, 110, 587, 6667])('a server of another protocol on port %i: refused', async (other) => {
    answers = () => [{ address: '127.0.0.2', family: 4 }];
    const smuggled = 'EHLO build\r\nMAIL FROM:<a@b>\r\n';
    const got = await fetchThrough(at, at.session('permissive'), `http://mail.example:${other}/`, {
      method: 'POST',
      body: smuggled,
    });
    expect([got.status, got.text]).toEqual([403, expect.stringContaining("another protocol's than HTTP")]);
  });

  it('DNS rebinding: allowed when it is judged, loopback a moment later', async () => {
    let count = 0;
    answers = () => {
      count += 1;
      return [{ address: count === 1 ? '127.0.0.2' : '127.0.0.1', family: 4 }];
    };
    const allowed = await startHttpUpstream((_request, response) => void response.end('allowed'), {
      address: '127.0.0.2',
    });
    try {
      const session = at.session('permissive');
      const url = `http://rebinding.example:${allowed.port}/`;
      const first = await fetchThrough(at, session, url, { headers: { Connection: 'close' } });
      expect([first.text, count]).toEqual(['allowed', 1]);
      // The kept connection leads to the address that was judged; no name is asked for again.
      const second = await fetchThrough(at, session, url);
      expect([second.text, count]).toEqual(['allowed', 1]);
    } finally {
      await allowed.close();
    }
    // A new connection needs a new answer, and that one is judged as well.
    const rebound = await fetchThrough(at, at.session('permissive'), `http://rebinding.example:${port}/`);
    expect([rebound.status, reached]).toEqual([403, 0]);
  });

  it.each<[string, LookupAddress[]]>([
    [
      'A forbidden, AAAA allowed',
      [
        { address: '127.0.0.1', family: 4 },
        { address: '::ffff:127.0.0.2', family: 6 },
      ],
    ],
    [
      'A allowed, AAAA forbidden',
      [
        { address: '127.0.0.2', family: 4 },
        { address: '::1', family: 6 },
      ],
    ],
    [
      'an allowed one that does not answer',
      [
        { address: '127.0.0.2', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ],
    ],
  ])('%s: only the allowed address is tried', async (_name, found) => {
    answers = () => found;
    const dead = await startHttpUpstream(() => {}, { address: '127.0.0.3' });
    await dead.close();
    const got = await fetchThrough(at, at.session('permissive'), `http://both.example:${dead.port}/`);
    expect(got.status).toBe(502);
    expect(reached).toBe(0);
  });

  it('a redirect is not followed: the client asks itself, and is refused', async () => {
    answers = () => [{ address: '127.0.0.2', family: 4 }];
    const redirecting = await startHttpUpstream(
      (_request, response) => void response.writeHead(302, { Location: `http://127.0.0.1:${port}/` }).end(),
      { address: '127.0.0.2' },
    );
    try {
      const session = at.session('permissive');
      const first = await fetchThrough(at, session, `http://redirecting.example:${redirecting.port}/`);
      expect([first.status, first.headers.location]).toEqual([302, `http://127.0.0.1:${port}/`]);
      expect(statuses(await plain(session, first.headers.location ?? ''))).toEqual([403]);
    } finally {
      await redirecting.close();
    }
    expect(reached).toBe(0);
  });
});

it('the proxy cannot be reached through itself, although a rule allows its address', async () => {
  const rule = { dst: ['127.0.0.0/8', '::1'], access: 'allow' } as const;
  const acl = { 'http-proxy': { policy: 'allow' as const, rules: [{ ...rule, dst: [...rule.dst] }] } };
  const at = await startTestProxy();
  at.proxy.setEgress(createEgressGuard({ acl, ownEndpoints: [{ address: '127.0.0.1', port: at.proxy.port }] }));
  try {
    for (const host of ['127.0.0.1', '127.1', '[::ffff:127.0.0.1]', '[64:ff9b::7f00:1]', 'localhost']) {
      const session = at.session('permissive');
      const got = await fetchThrough(at, session, `http://${host}:${at.proxy.port}/`);
      expect([got.status, got.text]).toEqual([403, expect.stringContaining('this service itself')]);
    }
  } finally {
    await at.close();
  }
});
