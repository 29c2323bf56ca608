import cluster, { type Worker } from 'node:cluster';
import { randomBytes } from 'node:crypto';
import type { SocketRequest } from '@waybill/contracts';
import { allInterfaces } from '../daemon/listen.js';
import { within } from '../daemon/process-events.js';
import { type RunContext, runForeground, type Serving, type ServingContext } from '../daemon/run-foreground.js';
import type { ServeOptions } from '../daemon/serve-options.js';
import { stopTimes } from '../daemon/stop-times.js';
import { FetchServiceError } from '../errors.js';
import { secretsKeyBytes } from '../sessions/secret-keys.js';
import type { SocketAnswer } from '../socket/control-socket.js';
import { Channel, type Port } from './channel.js';
import { forwardLines } from './forward-lines.js';
import { fetchPieces } from './pieces.js';
import { Supervisor, type WorkerProcess } from './supervisor.js';
import { type Assignment, type OperationAnswer, type Relayed, topics } from './topics.js';

/** An operation may wait for all processes, and collecting garbage takes its time. */
const operationTimeoutMs = 15 * 60_000;
/** What the primary itself does after the last process is gone. */
const ownClosingMs = 2_000;

/**
 * Runs the daemon as several processes on the same ports, also until none of them can be kept running. See {@link runForeground}.
 */
export function runPrimary(options: ServeOptions, context: RunContext): Promise<number> {
  return runForeground(options, context, (tools) => serveTogether(options, tools));
}

function serveTogether(options: ServeOptions, context: ServingContext): Serving {
  const { request, withinMs } = stopTimes(options);
  let supervisor: Supervisor | undefined;
  return {
    async start() {
      supervisor = await createSupervisor(options, context);
      return supervisor.start();
    },
    get pids() {
      return supervisor?.pids ?? [];
    },
    hasSessions: () => isUsed(supervisor),
    async carryOut(asked) {
      if (!supervisor) throw new FetchServiceError('FETCH_PROCESS_GONE', 'no process serves at the moment');
      return carryOut(supervisor, asked);
    },
    reloadCertificate: async () => supervisor?.ask(topics.reloadCertificate),
    reopenLogs: () => supervisor?.tell(topics.reopenLogs),
    async end(_stop, finish) {
      const isClean = (await supervisor?.stop(request, withinMs)) ?? true;
      return (await within(ownClosingMs, finish())) && isClean;
    },
  };
}

async function createSupervisor(options: ServeOptions, context: ServingContext): Promise<Supervisor> {
  const { environment, logger, startedAt, onActivity, stop } = context;
  const everywhere = await allInterfaces();
  const hasKeys = Boolean(environment.FETCH_SERVICE_SECRETS_KEY || environment.FETCH_SERVICE_SECRETS_KEY_FILE);
  const shared: Omit<Assignment, 'slot'> = {
    startedAt: startedAt.getTime(),
    controlHost: options.control.host ?? everywhere,
    proxyHost: options.proxy.host ?? everywhere,
    // Secrets must be known to all processes; without keys from the operator they live as long as the daemon.
    ephemeralKey: hasKeys ? undefined : randomBytes(secretsKeyBytes).toString('base64'),
  };
  let created = 0;
  const supervisor: Supervisor = new Supervisor({
    count: options.processes,
    logger,
    onFatal: () => stop({ reason: 'no process can be started', exitCode: 2 }),
    launch: (slot) => {
      const worker = launch();
      const { channel } = worker;
      channel.on(topics.hello, (): Assignment => ({ ...shared, slot }));
      channel.on(topics.touched, onActivity);
      channel.on(topics.sessionCreated, () => {
        created++;
      });
      channel.on(topics.createdCount, () => created);
      channel.on<Relayed>(topics.askOthers, ({ topic, body }) => supervisor.ask(topic, body, channel));
      channel.on<Relayed>(topics.tellOthers, ({ topic, body }) => supervisor.tell(topic, body, channel));
      return worker;
    },
  });
  return supervisor;
}

async function isUsed(supervisor: Supervisor | undefined): Promise<boolean> {
  const answers = (await supervisor?.ask<boolean>(topics.hasSessions)) ?? [];
  return answers.length === 0 || answers.some(Boolean);
}

/** `restart` concerns all processes, anything else is for any one of them. */
async function carryOut(supervisor: Supervisor, request: SocketRequest): Promise<SocketAnswer> {
  if (request.operation === 'restart') return `${await supervisor.restart()} processes replaced`;
  const [channel] = supervisor.others();
  if (!channel) throw new FetchServiceError('FETCH_PROCESS_GONE', 'no process serves at the moment');
  return fetchPieces(channel, await channel.ask<OperationAnswer>(topics.operate, request, operationTimeoutMs));
}

/** Starts this very program again, as one that serves. */
function launch(): WorkerProcess {
  // The primary takes connections and hands them out in turn: kept ones are many requests, and chance is not fair.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({ silent: true });
  const worker = cluster.fork();
  // What Node itself has to say when a process dies; and the log, where no file was named.
  forwardLines(worker.process.stderr, (line) => void process.stderr.write(line));
  worker.process.stdout?.resume();
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  return {
    pid: worker.process.pid ?? 0,
    channel: new Channel(portOf(worker)),
    exited,
    kill: () => void worker.process.kill('SIGKILL'),
  };
}

function portOf(worker: Worker): Port {
  // The pipe breaks when the process dies, which `exit` tells.
  worker.on('error', () => {});
  return {
    send: (message) => void worker.send(message, () => {}),
    onMessage: (listener) => void worker.on('message', listener),
    onClose: (listener) => void worker.once('disconnect', listener),
  };
}
