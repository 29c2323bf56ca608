import { type ClientProbe, plainGet } from './client-probe.js';

const urllib = 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())';
/** pip brings a requests of its own where there is no other. */
const importRequests = 'try:\n    import requests\nexcept ImportError:\n    from pip._vendor import requests\n';
const wheel = 'demo-1.2.3-py3-none-any.whl';

const simpleIndex = {
  pages: (host: string) => ({
    '/simple/demo/': `<!DOCTYPE html><a href="https://${host}/files/${wheel}" data-core-metadata="true">${wheel}</a>`,
    [`/files/${wheel}.metadata`]: 'Metadata-Version: 2.1\nName: demo\nVersion: 1.2.3\n',
  }),
  request: (host: string) => `GET https://${host}/simple/demo/`,
  takesCredentials: true,
} as const;

/** Python's libraries and package managers. */
export const pythonProbes: readonly ClientProbe[] = [
  {
    ...plainGet,
    name: 'python urllib',
    version: ['python3', '--version'],
    command: ({ host }) => ['python3', '-c', urllib, `https://${host}/`],
  },
  {
    ...plainGet,
    name: 'python requests',
    version: ['python3', '-c', `${importRequests}print(requests.__version__)`],
    command: ({ host }) => [
      'python3',
      '-c',
      `import sys\n${importRequests}print(requests.get(sys.argv[1], timeout=20).text)`,
      `https://${host}/`,
    ],
  },
  {
    ...plainGet,
    name: 'python httpx',
    version: ['python3', '-c', 'import httpx; print(httpx.__version__)'],
    command: ({ host }) => [
      'python3',
      '-c',
      'import sys, httpx; print(httpx.get(sys.argv[1], timeout=20).text)',
      `https://${host}/`,
    ],
  },
  {
    ...simpleIndex,
    name: 'pip',
    version: ['python3', '-m', 'pip', '--version'],
    command: ({ host }) => [
      ...(['python3', '-m', 'pip', 'index', 'versions', 'demo', '--retries', '0'] as const),
      ...['--index-url', `https://${host}/simple`],
    ],
    output: /demo \(1\.2\.3\)/,
  },
  {
    ...simpleIndex,
    name: 'uv',
    version: ['uv', '--version'],
    command: ({ host }) => ['uv', 'pip', 'compile', '--default-index', `https://${host}/simple`, 'requirements.in'],
    files: () => ({ 'requirements.in': 'demo\n' }),
    output: /demo==1\.2\.3/,
  },
];
