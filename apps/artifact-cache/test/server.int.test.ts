import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@waybill/contracts';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runArtifactCache } from '../src/cli/program.js';
import { loadConfig } from '../src/config/load-config.js';
import { type RunningServer, runServer } from '../src/serve/run-server.js';

let directory: string;
let server: RunningServer | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-server-'));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  await rm(directory, { recursive: true, force: true });
});

const bytes = Buffer.from('what was built');
const digest = (of: Uint8Array) => createHash('sha256').update(of).digest('hex');
const configFile = () => join(directory, 'config.yaml');

/** Starts a server whose first listener is open for reading; what is given comes on top. */
async function start(more: Record<string, unknown> = {}): Promise<string> {
  const config = {
    listen: [{ address: '127.0.0.1:0', anonymous: 'read' }],
    storage: { blobs: 'file:blobs', database: 'file:index.sqlite' },
    namespaces: { main: { quota: '100M' }, 'pr/*': { quota: '10M', 'reads-through': 'main' } },
    ...more,
  };
  await writeFile(configFile(), JSON.stringify(config));
  server = await runServer(await loadConfig(configFile(), {}), silentLogger);
  return server.urls[0] as string;
}

/** Runs a command of the program beside the server. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await runArtifactCache([...args, '--config', configFile()], {
    env: {},
    cwd: directory,
    input: async () => '',
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

async function tokenFor(name: string, ...grants: string[]): Promise<string> {
  const { out } = await run('token', 'create', name, ...grants.flatMap((grant) => ['--grant', grant]));
  return out.trim().split(/\s+/).at(-1) as string;
}

const put = (url: string, token: string | undefined, namespace = 'main', body = bytes) =>
  fetch(`${url}/v1/namespaces/${encodeURIComponent(namespace)}/blobs/${digest(body)}`, {
    method: 'PUT',
    body,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });

/** Sends a text as it is and gives back all that comes. */
async function raw(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  socket.write(text);
  let all = '';
  socket.on('data', (chunk) => {
    all += chunk;
  });
  await once(socket, 'close');
  return all;
}

describe('a server and the commands beside it', () => {
  it('serves what was pushed to everybody, also after it was started anew', async () => {
    let url = await start();
    const token = await tokenFor('ci', 'main=write');
    expect((await put(url, token)).status).toBe(201);
    const document = { keys: ['a/b'], value: { sha256: digest(bytes), size: bytes.length } };
    const published = await fetch(`${url}/v1/namespaces/main/entries`, {
      method: 'POST',
      body: JSON.stringify(document),
      headers: { authorization: `Bearer ${token}` },
    });
    expect(published.status).toBe(201);
    await server?.stop();
    url = await start();
    expect(await (await fetch(`${url}/v1/namespaces/main/entries/a%2Fb`)).json()).toMatchObject({ writer: 'ci' });
    const blob = await fetch(`${url}/v1/namespaces/main/blobs/${digest(bytes)}`);
    expect(blob.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(Buffer.from(await blob.arrayBuffer()).equals(bytes)).toBe(true);
    expect((await put(url, token)).status).toBe(201);
    expect((await run('stats')).out).toMatch(/main +14 B/);
    expect(JSON.parse((await run('audit', '--format', 'json')).out)).toMatchObject({ ok: true });
    expect((await run('fsck', '--verify')).code).toBe(0);
    expect((await run('gc', '--dry-run')).code).toBe(0);
  });

  it('ends a token for the very next request', async () => {
    const url = await start();
    const token = await tokenFor('ci', 'main=write');
    expect((await put(url, token)).status).toBe(201);
    expect((await run('token', 'revoke', 'ci')).code).toBe(0);
    expect((await put(url, token)).status).toBe(401);
    expect((await fetch(`${url}/v1/info`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    expect((await run('token', 'revoke', 'ci')).err).toContain('SERVER_PRINCIPAL_UNKNOWN');
    expect((await run('token', 'list')).out).toContain('Nobody yet.');
  });

  it('says that a name is taken, and never shows a token again', async () => {
    await start();
    const token = await tokenFor('ci', 'main=write');
    const again = await run('token', 'create', 'ci', '--grant', 'main=read');
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('CACHE_PRINCIPAL_EXISTS')]);
    const all = [await run('token', 'list', '--format', 'json'), await run('audit', '--format', 'json')];
    for (const { out } of all) {
      expect(out).toContain('ci');
      expect(out).not.toContain(token);
      expect(out).not.toContain(digest(Buffer.from(token)));
    }
  });

  it.each([
    [['token', 'create', 'ci'], 64],
    [['token', 'create', 'ci', '--grant', 'main=own'], 64],
    [['token', 'create', '../ci', '--grant', 'main=read'], 64],
    [['token', 'create', 'ci', '--grant', 'main=read', '--expires', 'soon'], 64],
    [['keys', 'add', 'ci', '--grant', 'main=read'], 64],
    [['keys', 'add', 'ci', 'missing.pub', '--grant', 'main=read'], 1],
    [['audit', '--limit', '0'], 64],
    [['nothing'], 64],
  ])('%j is refused with %i', async (args, code) => {
    await start();
    expect((await run(...args)).code).toBe(code);
  });
});

describe('hostile input', () => {
  it('a token of another namespace gets nowhere, and it is on record', async () => {
    const url = await start();
    const token = await tokenFor('pr', 'pr/*=write');
    expect((await put(url, token)).status).toBe(403);
    expect((await put(url, undefined)).status).toBe(401);
    expect((await put(url, token, 'pr/12')).status).toBe(201);
    expect((await fetch(`${url}/v1/namespaces/main/blobs/${digest(bytes)}`)).status).toBe(404);
    await vi.waitFor(async () => {
      const { records } = JSON.parse((await run('audit', '--format', 'json', '--namespace', 'main')).out);
      const refused = (principal: string) => ({ action: 'refuse', writer: { principal, address: '127.0.0.1' } });
      expect(records).toMatchObject([refused('anonymous'), refused('pr')]);
    }, 30_000);
  });

  it('a claim of 10 GiB with 1 KiB sent is refused at once; one that fits holds no room once its client is gone', async () => {
    const url = await start();
    const token = await tokenFor('ci', 'main=write');
    const head = (size: number) =>
      `PUT /v1/namespaces/main/blobs/${digest(bytes)} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\ncontent-length: ${size}\r\n\r\n`;
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
    socket.write(head(10 * 1024 ** 3) + 'x'.repeat(1024));
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 413 /);
    socket.destroy();
    const reserved = async () => {
      const usage = (await (await fetch(`${url}/v1/namespaces/main`)).json()) as { reservedBytes: number };
      return usage.reservedBytes;
    };
    const small = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
    small.write(head(50 * 1024 ** 2) + 'x'.repeat(1024));
    await vi.waitFor(async () => expect(await reserved()).toBeGreaterThan(0), 30_000);
    small.destroy();
    await vi.waitFor(async () => expect(await reserved()).toBe(0), 30_000);
    expect((await put(url, token)).status).toBe(201);
  });

  it.each([
    'GET /../../../../etc/passwd',
    'GET /v1/namespaces/..%2f..%2f..%2fetc/blobs/passwd',
    'GET /v1/namespaces/main/blobs/..%2f..%2f..%2findex.sqlite',
    'GET /v1/namespaces/main/entries/%00',
    'GET /v1/namespaces/main/entries/%E0%A4%A',
    'GET /v1/namespaces/main/entries/a?limit=1&limit=2',
    'GET //v1/namespaces/main//entries/a',
    'DELETE /v1/namespaces/main/entries/a',
    `GET /v1/namespaces/${'a/'.repeat(4000)}/entries/a`,
    `GET /${'%2e%2e%2f'.repeat(3000)}etc/passwd`,
    'BREW /v1/info',
  ])('%s is refused', async (line) => {
    const url = await start();
    const answer = await raw(url, `${line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 4\d\d /);
    expect(answer).not.toContain('root:');
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });
});

describe('identity providers', () => {
  it('vouch for whom the configuration names, with signatures that only they can make', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    const stranger = await generateKeyPair('RS256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' };
    const provider = createServer((request, response) => {
      const { host } = request.headers;
      const isKeys = request.url === '/keys';
      const document = isKeys ? { keys: [jwk] } : { issuer: `http://${host}`, jwks_uri: `http://${host}/keys` };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(document));
    }).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
    const grants = [
      { subject: 'repo:waybill:*', namespace: 'main', right: 'write' },
      { subject: 'someone', namespace: 'main', right: 'read' },
    ];
    const url = await start({ oidc: [{ issuer, audience: 'cache', grants }] });
    const jwt = (claims: { iss?: string; aud?: string; sub?: string; exp?: string } = {}, key = privateKey) =>
      new SignJWT({ sub: claims.sub ?? 'repo:waybill:main' })
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .setIssuer(claims.iss ?? issuer)
        .setAudience(claims.aud ?? 'cache')
        .setExpirationTime(claims.exp ?? '5m')
        .sign(key);
    try {
      expect((await put(url, await jwt())).status).toBe(201);
      expect((await put(url, await jwt({ sub: 'someone' }))).status).toBe(403);
      expect((await put(url, await jwt({ sub: 'repo:other:main' }))).status).toBe(403);
      const hmac = new SignJWT({ sub: 'repo:waybill:main' }).setProtectedHeader({ alg: 'HS256', kid: 'one' });
      const wrong = [
        await jwt({ aud: 'another' }),
        await jwt({ exp: '-5m' }),
        await jwt({ iss: 'http://issuer.example' }),
        await jwt({}, stranger.privateKey),
        await hmac
          .setIssuer(issuer)
          .setAudience('cache')
          .setExpirationTime('5m')
          .sign(Buffer.from(JSON.stringify(jwk))),
        new UnsecuredJWT({ sub: 'repo:waybill:main' }).setIssuer(issuer).setAudience('cache').encode(),
      ];
      for (const token of wrong) expect((await put(url, token)).status).toBe(401);
    } finally {
      provider.close();
    }
  });
});
