import { type ClientProbe, plainGet } from './client-probe.js';

const script = `
  const https = require('node:https');
  const get = (url) => new Promise((done, fail) => https.get(url, (r) => { let t = ''; r.on('data', (d) => t += d).on('end', () => done(t)); }).on('error', fail));
  (async () => {
    const url = process.argv[1];
    console.log(await get(url), await (await fetch(url)).text(), await (await fetch(url.replace('https', 'http'))).text());
  })().catch((error) => { console.error(error); process.exitCode = 1; });`;

/** `view` of one package of a registry. */
const packument = {
  pages: (host: string) => ({
    '/demo': JSON.stringify({
      name: 'demo',
      'dist-tags': { latest: '1.2.3' },
      versions: {
        '1.2.3': {
          name: 'demo',
          version: '1.2.3',
          dist: { tarball: `https://${host}/demo/-/demo-1.2.3.tgz`, shasum: 'ab'.repeat(20) },
        },
      },
    }),
  }),
  request: (host: string) => `GET https://${host}/demo`,
  output: /(?:^|[\s"'@])1\.2\.3/,
  takesCredentials: true,
} as const;

/** Node and the package managers of npm packages. */
export const javascriptProbes: readonly ClientProbe[] = [
  {
    ...plainGet,
    name: 'node',
    version: ['node', '--version'],
    command: ({ host }) => ['node', '-e', script, `https://${host}/`],
    output: /(hello from the session\s){3}/,
    needs:
      'Node 22.21, 24.5 or newer: in older ones http, https and fetch know no proxy (npm, pnpm and yarn bring their own way)',
  },
  {
    ...packument,
    name: 'npm',
    version: ['npm', '--version'],
    command: ({ host }) => ['npm', 'view', 'demo', 'version', '--fetch-retries=0', `--registry=https://${host}/`],
  },
  {
    ...packument,
    name: 'pnpm',
    version: ['pnpm', '--version'],
    command: ({ host }) => [
      ...(['env', 'pnpm_config_fetch_retries=0', 'npm_config_fetch_retries=0'] as const),
      ...['pnpm', 'view', 'demo', 'version', `--registry=https://${host}/`],
    ],
  },
  {
    ...packument,
    name: 'yarn',
    version: ['yarn', '--version'],
    // The first yarn and its successors have little in common.
    command: ({ host }) => [
      'sh',
      '-c',
      `case "$(yarn --version)" in 1.*) yarn info demo version --registry https://${host}/;; *) YARN_NPM_REGISTRY_SERVER=https://${host} yarn npm info demo --fields version;; esac`,
    ],
    files: () => ({ 'package.json': '{"name":"probe","version":"0.0.0"}\n', 'yarn.lock': '' }),
  },
  {
    ...packument,
    name: 'bun',
    version: ['bun', '--version'],
    command: ({ host }) => ['env', `npm_config_registry=https://${host}/`, 'bun', 'info', 'demo', 'version'],
    files: () => ({ 'package.json': '{"name":"probe","version":"0.0.0"}\n' }),
  },
];
