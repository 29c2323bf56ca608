import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRootCa } from '@waybill/ca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openExternalSession, wantsExternalSession } from './external.js';

let dir: string;
let server: Server;
let url: string;
let env: Record<string, string | undefined>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-external-'));
  const ca = await createRootCa({});
  await writeFile(join(dir, 'ca.pem'), ca.certificatePem);
  await writeFile(join(dir, 'text.pem'), 'not a certificate');
  server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://session-1:t%2Foken@127.0.0.1:${(server.address() as AddressInfo).port}/`;
  env = {
    CRAFT_USE_EXTERNAL_FETCH_SERVICE: '1',
    CRAFT_PROXY_CERT: join(dir, 'ca.pem'),
    http_proxy: url,
    https_proxy: url,
  };
});
afterEach(async () => {
  server.close();
  await rm(dir, { recursive: true, force: true });
});

describe('wantsExternalSession', () => {
  it.each([
    ['1', true],
    ['true', false],
    ['01', false],
    ['', false],
    [undefined, false],
  ])('%j: %s', (value, wanted) => {
    expect(wantsExternalSession({ CRAFT_USE_EXTERNAL_FETCH_SERVICE: value })).toBe(wanted);
  });
});

describe('openExternalSession', () => {
  it('takes the session as it is given and closes nothing', async () => {
    const session = await openExternalSession({ ...env, https_proxy: url.replace(/\/$/, '') });
    expect(session).toMatchObject({
      kind: 'external',
      id: 'session-1',
      policy: undefined,
      proxyUrl: url.replace(/\/$/, ''),
    });
    expect(await session.finish()).toBeUndefined();
  });

  it.each([
    ['no certificate', () => ({ CRAFT_PROXY_CERT: undefined }), 'CRAFT_PROXY_CERT is not set'],
    ['a certificate that is not there', () => ({ CRAFT_PROXY_CERT: join(dir, 'absent') }), 'cannot be read'],
    ['a directory', () => ({ CRAFT_PROXY_CERT: dir }), 'not a regular file'],
    ['text', () => ({ CRAFT_PROXY_CERT: join(dir, 'text.pem') }), 'not a PEM certificate'],
    ['no http_proxy', () => ({ http_proxy: undefined }), 'http_proxy is not set'],
    ['no https_proxy', () => ({ https_proxy: undefined }), 'https_proxy is not set'],
    ['two proxies', () => ({ https_proxy: url.replace('session-1', 'session-2') }), 'different proxies'],
    ['no URL', () => ({ http_proxy: 'not a url' }), 'http_proxy is not a URL'],
    ['another scheme', () => ({ http_proxy: url.replace('http:', 'https:') }), 'scheme https:'],
    ['no credentials', () => ({ http_proxy: url.replace(/\/\/.*@/, '//') }), 'id and token'],
    ['no port', () => ({ http_proxy: 'http://a:b@proxy.example/' }), 'lacks a port'],
  ])('refuses %s before anything is touched', async (_name, change, text) => {
    await expect(openExternalSession({ ...env, ...change() })).rejects.toMatchObject({
      code: 'CRAFT_EXTERNAL_INVALID',
      message: expect.stringContaining(text),
    });
  });

  it('says when the proxy cannot be reached, without its token', async () => {
    server.close();
    const error = await openExternalSession(env).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'CRAFT_EXTERNAL_UNREACHABLE' });
    expect(String(error)).not.toContain('oken');
  });
});
