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
  /** The measured body, and a small one to check bytes with. */
  readonly large: LargeBody;
  readonly probe: LargeBody;
  readonly version: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const probeBytes = 8 * 1024 * 1024;

/** Starts nginx over HTTPS with a throw-away certificate and writes its large bodies. */
export async function startUpstream(dir: string, largeBytes: number): Promise<Upstream> {
  await mkdir(join(dir, 'large'), { recursive: true });
  const version = /nginx\/(\S+)/.exec(await runProgram('nginx', ['-v']))?.[1] ?? 'unknown';
  const host = 'localhost';
  const root = await createThrowAwayCa(dir, 'upstream-root');
  const certificate = await createServerCertificate(dir, 'upstream-root', host);
  const port = await freePort();
  const config = nginxConfig({
    dir,
    port,
    certFile: certificate.certFile,
    keyFile: certificate.keyFile,
    workers: Math.min(2, availableParallelism()),
    addresses: loopbackAddresses(),
    asRoot: process.geteuid?.() === 0,
  });
  await writeFile(join(dir, 'nginx.conf'), config);
  const probe = await largeBody(dir, 'probe', probeBytes);
  const large = await largeBody(dir, 'body', largeBytes);
  const program = await startProgram({
    program: 'nginx',
    args: ['-p', dir, '-e', 'stderr', '-c', join(dir, 'nginx.conf')],
    env: { PATH: searchPath },
    logFile: join(dir, 'nginx.log'),
    ports: [port],
  });
  return { host, port, caFile: root.certFile, caPem: root.certPem, large, probe, version, ...program };
}

async function largeBody(dir: string, name: string, bytes: number): Promise<LargeBody> {
  const path = `/large/${name}`;
  return { path, bytes, sha256: await writeLargeBody(join(dir, path), bytes) };
}

function loopbackAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return ['127.0.0.1', ...(all.some(({ address }) => address === '::1') ? ['[::1]'] : [])];
}
