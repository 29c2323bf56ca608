import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RuntimeFile, runtimeFileSchema, statusResponseSchema } from '@waybill/contracts';
import { allowLoopback, binDir } from '../../test/harness/daemon.js';
import { freePorts } from '../../test/harness/ports.js';
import { createTempDir } from '../../test/harness/temp-dir.js';

export interface ChaosDaemonOptions {
  readonly inspectors: unknown;
  /** PEM of a root to trust for upstreams. */
  readonly upstreamCaPem: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Default: in the daemon's own directory. */
  readonly spool?: string;
}

/** One process from its start to its end. */
export interface Life {
  readonly pid: number;
  /** Whether it came so far that it serves; false when it ended before. */
  readonly ready: Promise<boolean>;
  /** Exit code or signal. */
  readonly exited: Promise<number | string>;
  readonly isOver: boolean;
  /** What it printed last. */
  output(): string;
  /** Lines that speak of something that must not happen, whatever is broken. */
  readonly alarms: readonly string[];
  /** Resolves when the process is gone, after signals that end it. */
  kill(signal: NodeJS.Signals): Promise<number | string>;
}

/** How the control API answered; undefined: not at all. */
export interface ControlAnswer {
  readonly status: number | undefined;
  readonly text: string;
}

/** A daemon that is started again and again on the same directories and ports. */
export interface ChaosDaemon {
  /** Holds `config`, `run` and, unless chosen otherwise, `spool`. */
  readonly dir: string;
  readonly spool: string;
  readonly ports: { readonly control: number; readonly proxy: number };
  /** PEM of its root; known after it was ready once. */
  caPem(): Promise<string>;
  start(): Life;
  /** The life that was started last. */
  readonly last: Life | undefined;
  control(method: string, path: string, body?: unknown): Promise<ControlAnswer>;
  /** Calls the control socket; undefined when there is no answer. */
  socket(request: Readonly<Record<string, unknown>>): Promise<string | undefined>;
  /** Follows a session's events until they end, however they end. */
  follow(session: string, onEvent: (event: string, data: Record<string, unknown>) => void): Promise<void>;
  /** Ids of the sessions that are open or revoked. */
  activeSessions(): Promise<string[]>;
  /** The runtime file as it is. @throws when it is half written */
  runtime(): Promise<RuntimeFile | undefined>;
  close(): Promise<void>;
}

const controlTimeoutMs = 60_000;

export async function createChaosDaemon(options: ChaosDaemonOptions): Promise<ChaosDaemon> {
  const dir = await createTempDir();
  const ports = await freePorts();
  const auth = `chaos:${randomBytes(9).toString('hex')}`;
  for (const name of ['config', 'run', 'tmp', 'compile-cache']) await mkdir(dir.at(name), { mode: 0o700 });
  const spool = options.spool ?? dir.at('spool');
  await writeFile(dir.at('config', 'inspectors.yaml'), JSON.stringify(options.inspectors, null, 2));
  await writeFile(dir.at('config', 'acl.yaml'), allowLoopback);
  await writeFile(dir.at('upstream-ca.pem'), options.upstreamCaPem);
  const runtimeFile = dir.at('run', 'fetch-service.json');
  const controlUrl = `http://127.0.0.1:${ports.control}`;
  const headers = {
    authorization: `Basic ${Buffer.from(auth).toString('base64')}`,
    'content-type': 'application/json',
  };
  let life: Life | undefined;

  const runtime = async () => {
    const text = await readFile(runtimeFile, 'utf8').catch(() => undefined);
    return text === undefined ? undefined : runtimeFileSchema.parse(JSON.parse(text));
  };
  const args = [
    `--control-port=${ports.control}`,
    `--proxy-port=${ports.proxy}`,
    '--control-host=127.0.0.1',
    '--proxy-host=127.0.0.1',
    `--config=${dir.at('config')}`,
    `--spool=${spool}`,
    `--runtime-file=${runtimeFile}`,
    `--socket=${dir.at('run', 'fetchctl.socket')}`,
    `--upstream-ca=${dir.at('upstream-ca.pem')}`,
    '--permissive-mode',
    '--verbosity=warning',
    ...(options.args ?? []),
  ];
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: dir.path,
    TMPDIR: dir.at('tmp'),
    FETCH_SERVICE_AUTH: auth,
    // A fifth of the time to start is reading its own code.
    NODE_COMPILE_CACHE: dir.at('compile-cache'),
    ...options.env,
  };

  const control: ChaosDaemon['control'] = async (method, path, body) => {
    try {
      const response = await fetch(new URL(path, controlUrl), {
        method,
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(controlTimeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      return { status: undefined, text: String((error as Error).cause ?? error) };
    }
  };

  return {
    dir: dir.path,
    spool,
    control,
    get last() {
      return life;
    },
    async activeSessions() {
      const { text } = await control('GET', '/status');
      return statusResponseSchema.parse(JSON.parse(text))['active-sessions'].map((session) => session['session-id']);
    },
    ports,
    caPem: () => readFile(join(spool, '.waybill', 'ca', 'root-ca.pem'), 'utf8'),
    runtime,
    start() {
      if (life && !life.isOver) throw new Error('the daemon runs already');
      const child = spawn(join(binDir, 'fetch-service'), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      life = watch(child, async () => (await runtime())?.pid === child.pid);
      return life;
    },
    socket: (request) => callSocket(dir.at('run', 'fetchctl.socket'), request),
    async follow(session, onEvent) {
      try {
        const response = await fetch(new URL(`/session/${session}/events`, controlUrl), { headers });
        if (!response.ok || !response.body) return void (await response.body?.cancel());
        await readEvents(response.body, onEvent);
      } catch {
        // It was killed; who follows asks again.
      }
    },
    async close() {
      const timer = setTimeout(() => void life?.kill('SIGKILL'), 15_000);
      if (life && !life.isOver) await life.kill('SIGTERM');
      clearTimeout(timer);
      await dir.close();
    },
  };
}

const keptOutput = 20_000;
const alarming = /no foreseen reason|a part of the service died|damaged|lost in compaction|the observer failed/;

function watch(child: ChildProcess, isReady: () => Promise<boolean>): Life {
  let text = '';
  let isOver = false;
  const alarms: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-keptOutput);
    });
    if (stream) {
      createInterface({ input: stream }).on('line', (line) => {
        if (alarming.test(line)) alarms.push(line);
      });
    }
  }
  const exited = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => {
      isOver = true;
      resolve(code ?? signal ?? 'gone');
    }),
  );
  const ready = (async () => {
    while (!isOver) {
      if (await isReady()) return true;
      await sleep(10);
    }
    return false;
  })();
  // Looked at by whoever waits for it; nobody may.
  ready.catch(() => {});
  return {
    pid: child.pid ?? 0,
    ready,
    exited,
    get isOver() {
      return isOver;
    },
    output: () => text,
    alarms,
    kill(signal) {
      child.kill(signal);
      return exited;
    },
  };
}

function callSocket(path: string, request: object): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path);
    socket.setEncoding('utf8').setTimeout(controlTimeoutMs, () => socket.destroy());
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.once('connect', () => socket.write(JSON.stringify(request)));
    socket.on('error', () => {});
    socket.once('close', () => {
      try {
        const { result, message } = JSON.parse(text) as { result: string; message: string };
        resolve(result === 'ok' ? message : undefined);
      } catch {
        resolve(undefined);
      }
    });
  });
}

async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: string, data: Record<string, unknown>) => void,
): Promise<void> {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (event !== undefined && data !== undefined) onEvent(event, JSON.parse(data) as Record<string, unknown>);
    }
  }
}
