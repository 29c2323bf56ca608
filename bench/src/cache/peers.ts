import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../processes/free-port.ts';
import { runProgram, searchPath } from '../processes/run-program.ts';
import { startProgram } from '../processes/start-program.ts';
import { type CacheServer, missingBecause } from './cache-server.ts';
import { asBazel, asTurbo } from './waybill-cache.ts';

const bazelRemote = { module: 'github.com/buchgr/bazel-remote/v2', version: 'v2.6.1' };
const turboCache = { name: 'turborepo-remote-cache', version: '2.12.0' };

/** Files by name, as nginx keeps them: what a disk and a kernel can do. */
export const nginx: CacheServer = {
  id: 'nginx',
  does: 'writes a file; neither verifies nor syncs',
  async find() {
    const said = await runProgram('nginx', ['-V']).catch(missingBecause);
    if (typeof said !== 'string') return said;
    const version = /nginx\/(\S+)/.exec(said)?.[1] ?? 'unknown';
    return said.includes('http_dav_module') ? { version } : { missing: 'this nginx has no WebDAV' };
  },
  async start(dir) {
    const port = await freePort();
    for (const name of ['data/cas', 'put']) await mkdir(join(dir, name), { recursive: true });
    const config = join(dir, 'nginx.conf');
    await writeFile(config, nginxConfig(dir, port));
    const running = await startProgram({
      name: 'nginx',
      program: 'nginx',
      args: ['-p', dir, '-e', 'stderr', '-c', config],
      env: { PATH: searchPath },
      logFile: join(dir, 'log'),
      ports: [port],
    });
    return { ...running, ...asBazel(`http://127.0.0.1:${port}`) };
  },
};

function nginxConfig(dir: string, port: number): string {
  const temporary = ['proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${process.geteuid?.() === 0 ? 'user root;\n' : ''}daemon off;
worker_processes ${Math.min(2, availableParallelism())};
pid ${dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path ${dir}/put;
${temporary.map((name) => `  ${name}_temp_path ${dir}/tmp-${name};`).join('\n')}
  client_max_body_size 0;
  keepalive_requests 1000000000;
  sendfile on;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { root ${dir}/data; dav_methods PUT DELETE; create_full_put_path on; }
  }
}
`;
}

/** The cache server that most Bazel users run; built with Go when it is measured, and kept in the tools' directory. */
export const bazelRemoteServer: CacheServer = {
  id: 'bazel-remote',
  does: 'verifies on writing, compresses with zstd, keeps its index in memory',
  async find(tools) {
    const program = join(tools, 'bazel-remote', bazelRemote.version, 'bazel-remote');
    if (existsSync(program)) return { version: bazelRemote.version };
    const bin = join(tools, 'bazel-remote', bazelRemote.version);
    await mkdir(bin, { recursive: true });
    const go = `cd "$1" && GOBIN="$1" GOFLAGS=-modcacherw go install -trimpath "${bazelRemote.module}@${bazelRemote.version}"`;
    const built = await runProgram('sh', ['-c', go, 'sh', bin]).catch(missingBecause);
    return typeof built === 'string' ? { version: bazelRemote.version } : built;
  },
  async start(dir, tools) {
    const [port, grpc] = [await freePort(), await freePort()];
    await mkdir(dir, { recursive: true });
    const running = await startProgram({
      name: 'bazel-remote',
      program: join(tools, 'bazel-remote', bazelRemote.version, 'bazel-remote'),
      args: [
        ...['--dir', join(dir, 'data'), '--max_size', '100', '--access_log_level', 'none'],
        ...['--http_address', `127.0.0.1:${port}`, '--grpc_address', `127.0.0.1:${grpc}`],
      ],
      env: { PATH: searchPath, HOME: dir },
      logFile: join(dir, 'log'),
      ports: [port],
    });
    return { ...running, ...asBazel(`http://127.0.0.1:${port}`) };
  },
};

/** The server that most Turborepo users host themselves; installed with npm when it is measured. */
export const turboCacheServer: CacheServer = {
  id: 'turborepo-remote-cache',
  does: 'holds each body in memory, writes body and tag as two files; neither verifies nor syncs',
  async find(tools) {
    const dir = join(tools, turboCache.name, turboCache.version);
    if (existsSync(join(dir, 'node_modules', turboCache.name))) return { version: turboCache.version };
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'package.json'), '{"private":true}\n');
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', `${turboCache.name}@${turboCache.version}`];
    const installed = await runProgram('npm', args, dir).catch(missingBecause);
    return typeof installed === 'string' ? { version: turboCache.version } : installed;
  },
  async start(dir, tools) {
    const port = await freePort();
    await mkdir(dir, { recursive: true });
    const installed = join(tools, turboCache.name, turboCache.version, 'node_modules', turboCache.name);
    const running = await startProgram({
      name: turboCache.name,
      program: process.execPath,
      args: [join(installed, 'dist', 'cli.js')],
      env: {
        PATH: searchPath,
        HOME: dir,
        NODE_ENV: 'production',
        PORT: String(port),
        TURBO_TOKEN: 'bench',
        STORAGE_PROVIDER: 'local',
        STORAGE_PATH: join(dir, 'data'),
        STORAGE_PATH_USE_TMP_FOLDER: 'false',
        BODY_LIMIT: String(2 * 1024 ** 3),
        LOG_LEVEL: 'error',
      },
      logFile: join(dir, 'log'),
      ports: [port],
    });
    const address = asTurbo(`http://127.0.0.1:${port}`);
    return { ...running, ...address, headers: { ...address.headers, Authorization: 'Bearer bench' } };
  },
};
