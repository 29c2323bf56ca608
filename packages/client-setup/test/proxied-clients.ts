/** A real client's way to fetch something over the proxy. */
export interface ProxiedClient {
  readonly name: string;
  /** Programs that it takes. */
  readonly programs: readonly string[];
  /** Must be there in CI; the others are tried where they exist. */
  readonly isRequired: boolean;
  /** `dir` is a folder of the test's; hosts exist only behind the proxy. */
  readonly command: (host: string, dir: string) => [string, ...string[]];
  /** What the proxy must have been asked for. */
  readonly requests: (host: string) => readonly string[];
  /** What the client must print. */
  readonly output: RegExp;
  /** Whether it can use a proxy that wants credentials. */
  readonly takesCredentials: boolean;
}

const commit = 'ab'.repeat(20);

/** What every host answers. */
export function pagesOf(host: string): Record<string, string> {
  const at = (path: string) => `https://${host}${path}`;
  return {
    [at('/')]: 'hello from the session',
    [`http://${host}/`]: 'hello from the session',
    [at('/repo.git/info/refs')]: `${commit}\trefs/heads/main\n`,
    [at('/repo.git/HEAD')]: 'ref: refs/heads/main\n',
    [at('/demo')]: JSON.stringify({
      name: 'demo',
      'dist-tags': { latest: '1.2.3' },
      versions: { '1.2.3': { name: 'demo', version: '1.2.3', dist: { tarball: at('/demo.tgz'), shasum: commit } } },
    }),
    [at('/simple/demo/')]: `<!DOCTYPE html><a href="${at('/files/demo-1.2.3.tar.gz')}">demo-1.2.3.tar.gz</a>`,
    [at('/modules.test/demo/@v/list')]: 'v1.2.3\n',
    [at('/modules.test/demo/@v/v1.2.3.info')]: JSON.stringify({ Version: 'v1.2.3', Time: '2026-01-01T00:00:00Z' }),
    [at('/modules.test/demo/@v/v1.2.3.mod')]: 'module modules.test/demo\n',
    [at('/index/config.json')]: JSON.stringify({ dl: at('/crates'), api: `https://${host}` }),
    [at('/api/v1/crates')]: JSON.stringify({
      crates: [{ name: 'demo', max_version: '1.2.3', description: 'a crate' }],
      meta: { total: 1 },
    }),
  };
}

const fetchScript = `
  const https = require('node:https');
  const get = (url) => new Promise((done, fail) => https.get(url, (r) => { let t = ''; r.on('data', (d) => t += d).on('end', () => done(t)); }).on('error', fail));
  (async () => {
    const url = process.argv[1];
    console.log(await get(url), await (await fetch(url)).text(), await (await fetch(url.replace('https', 'http'))).text());
  })().catch((error) => { console.error(error); process.exitCode = 1; });`;

const urllibScript =
  'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())';

const requestsScript = `
import sys
try:
    import requests
except ImportError:
    from pip._vendor import requests
print(requests.get(sys.argv[1], timeout=20).text)`;

export const javaProgram = `
import java.net.*;

public class Client {
  public static void main(String[] args) throws Exception {
    new URL(args[0]).openConnection().getInputStream().transferTo(System.out);
  }
}
`;

const get = (host: string) => [`GET https://${host}/`];

export const proxiedClients: readonly ProxiedClient[] = [
  {
    name: 'curl',
    programs: ['curl'],
    isRequired: true,
    command: (host) => ['curl', '-sS', '--max-time', '20', `https://${host}/`, `http://${host}/`],
    requests: (host) => [...get(host), `GET http://${host}/`],
    output: /(hello from the session){2}/,
    takesCredentials: true,
  },
  {
    name: 'wget',
    programs: ['wget'],
    isRequired: false,
    command: (host) => ['wget', '-q', '-O', '-', '--tries=1', `https://${host}/`],
    requests: get,
    output: /hello from the session/,
    takesCredentials: true,
  },
  {
    name: 'git',
    programs: ['git'],
    isRequired: true,
    command: (host) => ['git', 'ls-remote', `https://${host}/repo.git`],
    requests: (host) => [`GET https://${host}/repo.git/info/refs?service=git-upload-pack`],
    output: new RegExp(commit),
    takesCredentials: true,
  },
  {
    name: 'node',
    programs: ['node'],
    isRequired: true,
    command: (host) => [process.execPath, '-e', fetchScript, `https://${host}/`],
    requests: (host) => [...get(host), ...get(host), `GET http://${host}/`],
    output: /(hello from the session\s){3}/,
    takesCredentials: true,
  },
  {
    name: 'npm',
    programs: ['npm'],
    isRequired: true,
    command: (host) => ['npm', 'view', 'demo', 'version', '--fetch-retries=0', `--registry=https://${host}/`],
    requests: (host) => [`GET https://${host}/demo`],
    output: /^1\.2\.3$/m,
    takesCredentials: true,
  },
  {
    name: 'python urllib',
    programs: ['python3'],
    isRequired: true,
    command: (host) => ['python3', '-c', urllibScript, `https://${host}/`],
    requests: get,
    output: /hello from the session/,
    takesCredentials: true,
  },
  {
    name: 'python requests',
    programs: ['python3', 'pip3'],
    isRequired: false,
    command: (host) => ['python3', '-c', requestsScript, `https://${host}/`],
    requests: get,
    output: /hello from the session/,
    takesCredentials: true,
  },
  {
    name: 'pip',
    programs: ['python3', 'pip3'],
    isRequired: false,
    command: (host) => [
      'python3',
      '-m',
      'pip',
      'index',
      'versions',
      'demo',
      '--retries',
      '0',
      '--index-url',
      `https://${host}/simple`,
    ],
    requests: (host) => [`GET https://${host}/simple/demo/`],
    output: /demo \(1\.2\.3\)/,
    takesCredentials: true,
  },
  {
    name: 'go',
    programs: ['go'],
    isRequired: false,
    command: (host) => [
      'env',
      `GOPROXY=https://${host}`,
      'GONOSUMDB=*',
      'GOTOOLCHAIN=local',
      'go',
      'list',
      '-m',
      '-versions',
      'modules.test/demo',
    ],
    requests: (host) => [`GET https://${host}/modules.test/demo/@v/list`],
    output: /v1\.2\.3/,
    takesCredentials: true,
  },
  {
    name: 'cargo',
    programs: ['cargo'],
    isRequired: false,
    command: (host) => [
      'env',
      'CARGO_NET_RETRY=0',
      'cargo',
      'search',
      'demo',
      '--index',
      `sparse+https://${host}/index/`,
    ],
    requests: (host) => [
      `GET https://${host}/index/config.json`,
      `GET https://${host}/api/v1/crates?q=demo&per_page=10`,
    ],
    output: /demo = "1\.2\.3"/,
    takesCredentials: true,
  },
  {
    name: 'java',
    programs: ['java'],
    isRequired: false,
    command: (host, dir) => ['java', `${dir}/Client.java`, `https://${host}/`],
    requests: get,
    output: /hello from the session/,
    takesCredentials: false,
  },
  {
    name: 'apt',
    programs: ['apt-get'],
    isRequired: false,
    command: (host, dir) => [
      '/bin/sh',
      '-c',
      `/usr/lib/apt/apt-helper -o Acquire::Retries=0 download-file https://${host}/ '${dir}/apt.out' && cat '${dir}/apt.out'`,
    ],
    requests: get,
    output: /hello from the session/,
    takesCredentials: true,
  },
];
