import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../processes/free-port.ts';
import { runProgram, searchPath } from '../processes/run-program.ts';
import { startProgram } from '../processes/start-program.ts';
import { type LargeBody, writeLargeBody } from './large-body.ts';
import { nginxConfig } from './nginx-config.ts';
import { createServerCertificate, createThrowAwayCa } from './throw-away-ca.ts';

/** The origin that every engine fetches from. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** The root that vouches for it: no engine and no client trusts it by itself. */
  readonly caFile: string;
  readonly caPem: string;
  /** The measured body, those that are fetched at the same time, and a small one to check bytes with. */
  readonly large: LargeBody;
  readonly parts: readonly LargeBody[];
  readonly probe: LargeBody;
  readonly version: string;
  readonly pid: number;
  /** Requests that it has answered so far. */
  requests(): Promise<number>;
  stop(): Promise<void>;
}

export interface UpstreamOptions {
  readonly dir: string;
  readonly largeBytes: number;
  readonly parts: number;
  readonly partBytes: number;
  /** Ending of further host names. */
  readonly hostSuffix?: string | undefined;
}

const probeBytes = 8 * 1024 * 1024;

/** Starts nginx over HTTPS with a throw-away certificate and writes its large bodies. */
export async function startUpstream(options: UpstreamOptions): Promise<Upstream> {
  const { dir, hostSuffix } = options;
  await mkdir(join(dir, 'large'), { recursive: true });
  const version = /nginx\/(\S+)/.exec(await runProgram('nginx', ['-v']))?.[1] ?? 'unknown';
  const host = 'localhost';
  const root = await createThrowAwayCa(dir, 'upstream-root');
  const certificate = await createServerCertificate(dir, 'upstream-root', [
    host,
    ...(hostSuffix === undefined ? [] : [`*${hostSuffix}`]),
  ]);
  const [port, statusPort] = [await freePort(), await freePort()];
  const config = nginxConfig({
    dir,
    port,
    statusPort,
    certFile: certificate.certFile,
    keyFile: certificate.keyFile,
    workers: Math.min(2, availableParallelism()),
    addresses: loopbackAddresses(),
    asRoot: process.geteuid?.() === 0,
  });
  await writeFile(join(dir, 'nginx.conf'), config);
  const probe = await largeBody(dir, 'probe', probeBytes);
  const large = await largeBody(dir, 'body', options.largeBytes);
  const parts: LargeBody[] = [];
  for (let part = 1; part <= options.parts; part++) {
    parts.push(await largeBody(dir, `part-${part}`, options.partBytes));
  }
  const program = await startProgram({
    name: 'nginx',
    program: 'nginx',
    args: ['-p', dir, '-e', 'stderr', '-c', join(dir, 'nginx.conf')],
    env: { PATH: searchPath },
    logFile: join(dir, 'nginx.log'),
    ports: [port, statusPort],
  });
  const bodies = { large, parts, probe };
  const requests = () => answeredRequests(statusPort);
  return { host, port, caFile: root.certFile, caPem: root.certPem, ...bodies, version, requests, ...program };
}

async function largeBody(dir: string, name: string, bytes: number): Promise<LargeBody> {
  const path = `/large/${name}`;
  return { path, ...(await writeLargeBody(join(dir, path), name, bytes)) };
}

async function answeredRequests(statusPort: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${statusPort}/status`);
  return parseRequests(await answer.text());
}

/** The third number below `server accepts handled requests` of nginx's stub_status. */
export function parseRequests(status: string): number {
  return Number(/^ \d+ \d+ (\d+) $/m.exec(status)?.[1]);
}

function loopbackAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return ['127.0.0.1', ...(all.some(({ address }) => address === '::1') ? ['[::1]'] : [])];
}
