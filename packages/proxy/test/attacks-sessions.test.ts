import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type AttackScene, startAttackScene, ways } from './attack-scene.js';
import { exchange, fetchThrough, openTunnel } from './client.js';

/** What one session may learn or use of another: connections, credentials and state are shared by the process. */
describe('sessions beside each other', () => {
  let scene: AttackScene | undefined;
  afterEach(async () => {
    await scene?.close();
    scene = undefined;
  });

  /** An upstream that remembers which requests came on which connection, and believes a connection once it is authenticated. */
  async function start(way: (typeof ways)[number]) {
    const ids = new Map<Socket, number>();
    const authenticated = new Set<Socket>();
    const seen: string[] = [];
    scene = await startAttackScene(way, {
      answer: (socket, head) => {
        if (!ids.has(socket)) ids.set(socket, ids.size);
        if (/^authorization: (ntlm|negotiate) /im.test(head)) authenticated.add(socket);
        seen.push(`${ids.get(socket)} ${head.split(' ')[1]}`);
        const body = authenticated.has(socket) ? 'private' : 'public';
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      },
    });
    return { scene, seen };
  }

  describe.each(ways)('%s', (way) => {
    it.each(['NTLM TlRMTVNTUAADAAAA', 'Negotiate YIIB', 'negotiate YIIB', 'Something new'])(
      'a connection that was authenticated by %s is not used again',
      async (authorization) => {
        const { scene: at } = await start(way);
        const [one, two] = [at.at.session(), at.at.session()];
        const first = await fetchThrough(at.at, one, `${at.upstream.url}/one`, {
          headers: { Authorization: authorization },
        });
        const second = await fetchThrough(at.at, two, `${at.upstream.url}/two`);
        expect(first.status).toBe(200);
        expect(second.text).toBe('public');
      },
    );

    it('an ordinary connection is: what tells sessions apart stands in each request', async () => {
      const { scene: at, seen } = await start(way);
      const [one, two] = [at.at.session(), at.at.session()];
      one.credential = () => ({ type: 'header', name: 'Authorization', value: 'Basic c2VjcmV0OnNlY3JldA==' });
      await fetchThrough(at.at, one, `${at.upstream.url}/one`);
      await fetchThrough(at.at, two, `${at.upstream.url}/two`);
      expect(seen).toEqual(['0 /one', '0 /two']);
      const [first, second] = at.upstream.heads;
      expect(first).toMatch(/authorization: basic c2vjcmv0onnly3jldA==/i);
      expect(second).not.toMatch(/authorization/i);
    });
  });

  it('credentials of another session inside a tunnel change nothing: the tunnel belongs to who opened it', async () => {
    const { scene: at } = await start('in a tunnel');
    const [mine, theirs] = [at.at.session(), at.at.session()];
    const tunnel = await openTunnel(at.at, mine, at.host);
    const answer = await exchange(tunnel, { path: '/a', host: at.host, session: theirs });
    expect(answer.status).toBe(200);
    expect((await at.at.report(mine)).downloads).toHaveLength(1);
    expect((await at.at.report(theirs)).all).toEqual([]);
    expect(at.upstream.received).not.toMatch(/proxy-authorization/i);
  });

  it('a session whose inspectors refuse gets nothing of what another was given', async () => {
    const { scene: at } = await start('plain');
    const trusting = at.at.session();
    const strict = at.at.session('strict', {
      onArtifact: () => ({ opinion: 'Rejected', reason: 'nobody vouches for it' }),
    });
    const url = `${at.upstream.url}/same`;
    expect((await fetchThrough(at.at, trusting, url)).text).toBe('public');
    const refused = await fetchThrough(at.at, strict, url);
    expect([refused.status, refused.text]).toEqual([403, expect.not.stringContaining('public')]);
  });
});
