import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { startHttpsUpstream, startHttpUpstream } from './http-upstream.js';
import type { ThrowawayCa } from './throwaway-ca.js';

const run = promisify(execFile);

export interface GitServerOptions {
  /** Serves https with leaves of this root. */
  readonly tls?: ThrowawayCa;
  /** Sees every answer before it is sent and may change it: the tampering hook. */
  readonly answer?: (exchange: GitExchange) => GitAnswer;
}

export interface GitAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A request and what git answered. */
export interface GitExchange {
  readonly method: string;
  /** Absolute URL. */
  readonly url: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** Without Content-Encoding. */
  readonly requestBody: Buffer;
  readonly answer: GitAnswer;
}

/** A running server over a temporary directory of bare repositories. */
export interface GitServer {
  /** Origin, without a closing slash. */
  readonly url: string;
  readonly port: number;
  /** All exchanges so far, as git answered them (before `answer` changed anything). */
  readonly exchanges: GitExchange[];
  /**
   * Makes `<name>` below the root. `config` are settings such as `uploadpack.allowReachableSHA1InWant`.
   */
  createRepository(name: string, options?: GitRepositoryOptions): Promise<GitRepository>;
  close(): Promise<void>;
}

export interface GitRepositoryOptions {
  readonly objectFormat?: 'sha1' | 'sha256';
  readonly config?: Readonly<Record<string, string>>;
}

export interface GitCommit {
  /** Path → content; `null` removes. */
  readonly files: Readonly<Record<string, string | Uint8Array | null>>;
  readonly message?: string;
  /** Default `main`; created from the current state when absent. */
  readonly branch?: string;
  /** Annotated tag to put on the commit. */
  readonly tag?: string;
}

/** A repository of the server with a working tree beside it, to commit in. */
export interface GitRepository {
  readonly url: string;
  /** Of the bare repository. */
  readonly path: string;
  /** Commits and publishes; returns the commit's id. Ids are the same each time: names and dates are fixed. */
  commit(commit: GitCommit): Promise<string>;
  /** Runs git in the bare repository and returns what it prints. */
  git(...args: string[]): Promise<string>;
}

/** Environment for git in tests: no settings of the machine, fixed names and dates, no proxies. */
export function gitTestEnvironment(home: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Ann',
    GIT_AUTHOR_EMAIL: 'ann@mail.example',
    GIT_COMMITTER_NAME: 'Ann',
    GIT_COMMITTER_EMAIL: 'ann@mail.example',
    GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
    GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
  };
}

/** Real `git http-backend` behind a small http server on loopback. Needs git. */
export async function startGitServer(options: GitServerOptions = {}): Promise<GitServer> {
  const directory = await mkdtemp(join(tmpdir(), 'waybill-git-server-'));
  const root = join(directory, 'root');
  await mkdir(root);
  const env = gitTestEnvironment(directory);
  const exchanges: GitExchange[] = [];
  let origin = '';

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = Buffer.concat(await request.toArray());
    const answer = await backend(request, body, { root, env });
    const exchange: GitExchange = {
      method: request.method ?? '',
      url: `${origin}${request.url}`,
      requestHeaders: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      requestBody: request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body,
      answer,
    };
    exchanges.push(exchange);
    const sent = options.answer?.(exchange) ?? answer;
    response.writeHead(sent.status, { ...sent.headers, 'content-length': String(sent.body.length) });
    response.end(sent.body);
  };
  const upstream = options.tls
    ? await startHttpsUpstream(handle, { ca: options.tls })
    : await startHttpUpstream(handle);
  origin = upstream.url;

  return {
    url: origin,
    port: upstream.port,
    exchanges,
    createRepository: (name, repositoryOptions = {}) =>
      createRepository({ name, root, directory, env, url: `${origin}/${name}`, ...repositoryOptions }),
    async close() {
      await upstream.close();
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

interface Place extends GitRepositoryOptions {
  readonly name: string;
  readonly root: string;
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly url: string;
}

async function createRepository(place: Place): Promise<GitRepository> {
  const { name, root, directory, env, url, objectFormat = 'sha1', config = {} } = place;
  const path = join(root, name);
  const work = join(directory, 'work', name);
  const git = async (cwd: string, args: readonly string[]) =>
    (await run('git', ['-C', cwd, ...args], { env, maxBuffer: 2 ** 26 })).stdout.trim();
  await mkdir(path, { recursive: true });
  await mkdir(work, { recursive: true });
  const format = `--object-format=${objectFormat}`;
  await git(path, ['init', '--quiet', '--bare', '--initial-branch=main', format]);
  await git(work, ['init', '--quiet', '--initial-branch=main', format]);
  for (const [key, value] of Object.entries({ 'http.receivepack': 'true', ...config }))
    await git(path, ['config', key, value]);

  return {
    url,
    path,
    git: (...args) => git(path, args),
    async commit({ files, message = 'change', branch = 'main', tag }) {
      await git(work, ['checkout', '--quiet', '-B', branch]);
      for (const [file, content] of Object.entries(files)) {
        const target = join(work, file);
        await mkdir(dirname(target), { recursive: true });
        if (content === null) await rm(target, { force: true });
        else await writeFile(target, content);
      }
      await git(work, ['add', '--all']);
      await git(work, ['commit', '--quiet', '--allow-empty', '--message', message]);
      if (tag !== undefined) await git(work, ['tag', '--annotate', '--message', tag, tag]);
      await git(work, ['push', '--quiet', '--force', path, `refs/heads/${branch}`, '--tags']);
      return git(work, ['rev-parse', 'HEAD']);
    },
  };
}

/** One CGI call. */
async function backend(
  request: IncomingMessage,
  body: Buffer,
  { root, env }: { root: string; env: NodeJS.ProcessEnv },
): Promise<GitAnswer> {
  const url = new URL(request.url ?? '/', 'http://git.invalid');
  const child = spawn('git', ['http-backend'], {
    env: {
      ...env,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      CONTENT_LENGTH: String(body.length),
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_USER: 'ann',
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => {});
  child.stdin.end(body);
  const output = Buffer.concat(await child.stdout.toArray());
  return parseCgi(output);
}

function parseCgi(output: Buffer): GitAnswer {
  const end = output.indexOf('\r\n\r\n');
  const headers: Record<string, string> = {};
  let status = end < 0 ? 500 : 200;
  for (const line of output.toString('latin1', 0, Math.max(end, 0)).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const [name, value] = [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    if (name === 'status') status = Number.parseInt(value, 10);
    else headers[name] = value;
  }
  return { status, headers, body: end < 0 ? Buffer.alloc(0) : output.subarray(end + 4) };
}
