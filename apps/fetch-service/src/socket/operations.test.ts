import { describe, expect, it } from 'vitest';
import { download, memoryStore, sha } from '../../test/fakes.js';
import { FetchServiceError } from '../errors.js';
import type { NewSession } from '../sessions/session-manager.js';
import { version } from '../version.js';
import { type OperationTargets, operate } from './operations.js';

function targets(more: Partial<OperationTargets> = {}) {
  const seen: { created: NewSession[]; updated: unknown[][]; certificates: unknown[][] } = {
    created: [],
    updated: [],
    certificates: [],
  };
  const store = memoryStore();
  const all: OperationTargets = {
    sessions: {
      async create(session) {
        seen.created.push(session);
        return { id: session.id ?? 'f'.repeat(32), token: session.token ?? 'T'.repeat(32) };
      },
      async evidence(id) {
        if (id !== 'known') throw new FetchServiceError('FETCH_SESSION_UNKNOWN', '404 Not Found');
        const now = new Date();
        const session = {
          id,
          tokenDigest: '',
          policy: 'strict',
          state: 'open',
          createdAt: now,
          expiresAt: now,
          configuration: {},
          secretPatterns: [],
        } as const;
        return { session, store, inspectorIds: [], spoolPath: '/x', now };
      },
    },
    gc: {
      run: async ({ isDryRun }) => ({ sessions: isDryRun ? 7 : 0, failed: 0, bodies: 0, bytes: 0, left: undefined }),
    },
    configuration: {
      async update(...args) {
        seen.updated.push(args);
        if (args[1] === 'bad') throw new FetchServiceError('FETCH_CONFIG_INVALID', 'inspectors.yaml:1:1: not good');
      },
    },
    isPermissiveAllowed: true,
    updateCertificate: async (...args) => void seen.certificates.push(args),
    ...more,
  };
  return { all, seen, store };
}

async function ask(all: OperationTargets, operation: string, payload?: string, more: object = {}): Promise<string> {
  const answer = await operate(all, { operation, ...(payload === undefined ? {} : { payload }), ...more });
  if (typeof answer === 'string') return answer;
  let text = '';
  for await (const piece of answer) text += piece;
  return text;
}

describe('operations of the control socket', () => {
  it('version, and nothing that is unknown', async () => {
    expect(await ask(targets().all, 'version')).toBe(version);
    await expect(ask(targets().all, 'reboot')).rejects.toThrow('unsupported operation');
  });

  it('update-config', async () => {
    const { all, seen } = targets();
    expect(await ask(all, 'update-config', 'git: {urls: []}', { type: 'inspectors' })).toBe('configuration updated');
    expect(await ask(all, 'update-config', 'x', { type: 'acl', 'validate-only': true })).toBe(
      'configuration validated',
    );
    expect(seen.updated).toEqual([
      ['inspectors', 'git: {urls: []}', { validateOnly: false }],
      ['acl', 'x', { validateOnly: true }],
    ]);
    await expect(ask(all, 'update-config', 'bad', { type: 'inspectors' })).rejects.toThrow(
      'inspectors configuration update error: inspectors.yaml:1:1: not good',
    );
    await expect(ask(all, 'update-config', 'x', { type: 'other' })).rejects.toThrow('unknown type');
    await expect(ask(all, 'update-config', 'x')).rejects.toThrow('unknown type');
  });

  it('update-cert takes a certificate, an empty line and its key', async () => {
    const { all, seen } = targets();
    const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    const key = '-----BEGIN EC PRIVATE KEY-----\nBBBB\n-----END EC PRIVATE KEY-----';
    expect(await ask(all, 'update-cert', `${certificate}\n\n${key}\n`)).toBe('proxy certificate updated');
    expect(await ask(all, 'update-cert', `${certificate}\n\n${key}\n`, { 'validate-only': true })).toBe(
      'certificate validated',
    );
    expect(seen.certificates).toEqual([
      [{ certificatePem: certificate, keyPem: key }, false],
      [{ certificatePem: certificate, keyPem: key }, true],
    ]);
    await expect(ask(all, 'update-cert', certificate)).rejects.toThrow(/^certificate update error: .*found 0/);
    await expect(ask(all, 'update-cert', key)).rejects.toThrow(/^certificate update error: .*no certificate/);
  });

  it('create-session', async () => {
    const { all, seen } = targets();
    const yaml = Buffer.from('git:\n  urls: ["https://git.example:443/**"]\n').toString('base64');
    const payload = {
      'session-id': 'mine',
      token: 'A'.repeat(20),
      timeout: 60,
      mode: 'permissive',
      'inspectors-configuration': yaml,
    };
    expect(await ask(all, 'create-session', JSON.stringify(payload))).toBe(
      `session mine:${'A'.repeat(20)} created (permissive)`,
    );
    expect(seen.created[0]).toEqual({
      policy: 'permissive',
      timeoutSeconds: 60,
      sections: { git: { urls: ['https://git.example:443/**'] } },
      id: 'mine',
      token: 'A'.repeat(20),
    });
    expect(await ask(all, 'create-session')).toMatch(/ created \(strict\)$/);
    expect(await ask({ ...all, isPermissiveAllowed: false }, 'create-session', '{"mode":"permissive"}')).toMatch(
      / created \(strict\)$/,
    );
  });

  it.each([
    ['{"session-id": "../x"}', 'session-id: expected'],
    ['{"token": "short"}', 'token: expected'],
    ['{"token": "with space and more"}', 'token: expected'],
    ['{"timeout": -1}', 'timeout: '],
    ['{', 'not valid JSON'],
    [
      JSON.stringify({ 'inspectors-configuration': Buffer.from('a: [').toString('base64') }),
      'inspectors-configuration: ',
    ],
  ])('create-session refuses %s', async (payload, message) => {
    await expect(ask(targets().all, 'create-session', payload)).rejects.toThrow(message);
  });

  it('list-artifacts, also before revocation', async () => {
    const { all, store } = targets();
    expect(await ask(all, 'list-artifacts', 'known')).toBe('[]');
    await store.record([download('known', sha('a')), download('known', sha('b'))]);
    const text = await ask(all, 'list-artifacts', 'known\n');
    expect(JSON.parse(text).map((artifact: { metadata: { sha256: string } }) => artifact.metadata.sha256)).toEqual([
      sha('a'),
      sha('b'),
    ]);
    expect(text).toBe(JSON.stringify(JSON.parse(text), undefined, 2));
    await expect(ask(all, 'list-artifacts', 'other')).rejects.toThrow('session does not exist');
  });
});
