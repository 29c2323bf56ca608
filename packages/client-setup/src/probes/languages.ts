import { type ClientProbe, plainGet } from './client-probe.js';

/** cargo, Go, Ruby and PHP. */
export const languageProbes: readonly ClientProbe[] = [
  {
    name: 'cargo',
    version: ['cargo', '--version'],
    command: ({ host }) => [
      ...(['env', 'CARGO_NET_RETRY=0', 'cargo', 'search', 'demo'] as const),
      ...['--index', `sparse+https://${host}/index/`],
    ],
    pages: (host) => ({
      '/index/config.json': JSON.stringify({ dl: `https://${host}/crates`, api: `https://${host}` }),
      '/api/v1/crates': JSON.stringify({
        crates: [{ name: 'demo', max_version: '1.2.3', description: 'a crate' }],
        meta: { total: 1 },
      }),
    }),
    request: (host) => `GET https://${host}/index/config.json`,
    output: /demo = "1\.2\.3"/,
    takesCredentials: true,
  },
  {
    name: 'go',
    version: ['go', 'version'],
    command: ({ host }) => [
      ...(['env', `GOPROXY=https://${host}`, 'GONOSUMDB=*', 'GOTOOLCHAIN=local'] as const),
      ...['go', 'list', '-m', '-versions', 'modules.test/demo'],
    ],
    pages: () => ({
      '/modules.test/demo/@v/list': 'v1.2.3\n',
      '/modules.test/demo/@v/v1.2.3.info': JSON.stringify({ Version: 'v1.2.3', Time: '2026-01-01T00:00:00Z' }),
      '/modules.test/demo/@v/v1.2.3.mod': 'module modules.test/demo\n',
    }),
    request: (host) => `GET https://${host}/modules.test/demo/@v/list`,
    output: /v1\.2\.3/,
    takesCredentials: true,
  },
  {
    ...plainGet,
    name: 'ruby',
    version: ['ruby', '--version'],
    command: ({ host }) => ['ruby', '-ropen-uri', '-e', 'puts URI.open(ARGV[0]).read', `https://${host}/`],
  },
  {
    name: 'composer',
    version: ['composer', '--version'],
    command: () => ['composer', 'show', '--all', '--no-interaction', 'demo/demo'],
    files: (host) => ({
      'composer.json': JSON.stringify({
        repositories: [{ type: 'composer', url: `https://${host}` }, { 'packagist.org': false }],
      }),
    }),
    pages: () => ({
      '/packages.json': JSON.stringify({
        packages: { 'demo/demo': { '1.2.3': { name: 'demo/demo', version: '1.2.3', type: 'metapackage' } } },
      }),
    }),
    request: (host) => `GET https://${host}/packages.json`,
    output: /versions\s*: .*1\.2\.3/,
    takesCredentials: true,
  },
];
