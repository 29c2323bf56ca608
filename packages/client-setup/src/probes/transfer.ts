import { type ClientProbe, plainGet } from './client-probe.js';

const commit = 'ab'.repeat(20);

/** Programs that transfer files, and git. */
export const transferProbes: readonly ClientProbe[] = [
  {
    ...plainGet,
    name: 'curl',
    version: ['curl', '--version'],
    command: ({ host }) => ['curl', '-sS', '--max-time', '20', `https://${host}/`, `http://${host}/`],
    output: /(hello from the session){2}/,
  },
  {
    ...plainGet,
    name: 'wget',
    version: ['wget', '--version'],
    command: ({ host }) => ['wget', '-q', '-O', '-', '--tries=1', '--timeout=20', `https://${host}/`],
  },
  {
    name: 'git',
    version: ['git', '--version'],
    command: ({ host }) => ['git', 'ls-remote', `https://${host}/repo.git`],
    pages: () => ({
      '/repo.git/info/refs': `${commit}\trefs/heads/main\n`,
      '/repo.git/HEAD': 'ref: refs/heads/main\n',
    }),
    request: (host) => `GET https://${host}/repo.git/info/refs?service=git-upload-pack`,
    output: new RegExp(commit),
    takesCredentials: true,
  },
  {
    name: 'git-lfs',
    version: ['git', 'lfs', 'version'],
    command: ({ host }) => ['sh', '-c', `git init -q lfs && git -C lfs -c lfs.url=https://${host}/lfs lfs locks`],
    pages: () => ({
      '/lfs/locks': JSON.stringify({
        locks: [{ id: '1', path: 'demo.bin', locked_at: '2026-01-01T00:00:00Z', owner: { name: 'demo' } }],
      }),
    }),
    request: (host) => `GET https://${host}/lfs/locks`,
    output: /demo\.bin/,
    takesCredentials: true,
  },
];
