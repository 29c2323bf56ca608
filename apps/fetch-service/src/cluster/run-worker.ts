import type { SocketRequest } from '@waybill/contracts';
import { openProfiler } from '../daemon/announce.js';
import { Cleanup } from '../daemon/cleanup.js';
import { ignoreSignals, onCrash, type Stop, within } from '../daemon/process-events.js';
import { openProcessLogs } from '../daemon/process-logs.js';
import { recordProfile } from '../daemon/profile-file.js';
import type { ServeOptions } from '../daemon/serve-options.js';
import { startService } from '../daemon/service.js';
import { FetchServiceError } from '../errors.js';
import { operate } from '../socket/operations.js';
import { Channel, type Port, toFault } from './channel.js';
import { servePieces } from './pieces.js';
import { type Assignment, type StartOutcome, type StopRequest, topics } from './topics.js';
import { createWorkerPeers } from './worker-peers.js';

/** What is left of a stop after its last exchange. */
const closingMs = 7_000;

/** Runs one of several processes until the primary says stop, or a crash. Resolves to the exit code. */
export async function runWorker(
  options: ServeOptions,
  { environment }: { readonly environment: Readonly<Record<string, string | undefined>> },
): Promise<number> {
  ignoreSignals();
  const channel = new Channel(primaryPort());
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Stop | StopRequest>();
  channel.on<StopRequest>(topics.stop, stop);
  const cleanup = new Cleanup();
  const logs = await openProcessLogs(options).catch((cause: unknown) => cause as Error);
  if (logs instanceof Error) return failed(channel, logs);
  const { logger, security } = logs;
  channel.on(topics.reopenLogs, () => logs.reopen());
  onCrash(stop, logger, security);
  try {
    const assignment = await channel.ask<Assignment>(topics.hello);
    const peers = createWorkerPeers(channel, assignment);
    const finishProfile = await recordProfile(options.profileDirectory);
    cleanup.add('profile', finishProfile);
    const own = assigned(options, assignment);
    const context = { environment, logger, security, cleanup, peers, onActivity: () => peers.touched() };
    const service = await startService(own, context);
    await openProfiler(own.profilePort, context);
    const inPieces = servePieces(channel);
    channel.on<SocketRequest>(topics.operate, async (request) => inPieces(await operate(service.targets, request)));
    channel.on(topics.hasSessions, () => service.hasSessions());
    channel.tell(topics.started, { facts: service.facts } satisfies StartOutcome);
    const why = await stopped;
    const isCrash = 'exitCode' in why;
    const work = async () => {
      if (!isCrash) await service.retire(why);
      return cleanup.run(logger);
    };
    const isClean = await within(isCrash ? closingMs : why.listenMs + why.graceMs + closingMs, work());
    if (isCrash) return why.exitCode;
    return isClean ? 0 : 1;
  } catch (cause) {
    await within(closingMs, cleanup.run(logger));
    return failed(channel, cause);
  } finally {
    logs.flush();
  }
}

/** What each process has for itself, and what was found out once for all. */
function assigned(options: ServeOptions, { slot, controlHost, proxyHost }: Assignment): ServeOptions {
  const { control, proxy, profilePort } = options;
  return {
    ...options,
    control: { ...control, host: controlHost },
    proxy: { ...proxy, host: proxyHost },
    profilePort: profilePort === undefined || profilePort === 0 ? profilePort : profilePort + slot,
  };
}

async function failed(channel: Channel, cause: unknown): Promise<number> {
  channel.tell(topics.started, { fault: toFault(cause) } satisfies StartOutcome);
  // The message must be on its way before the process ends.
  await new Promise((resolve) => setImmediate(resolve));
  return 1;
}

function primaryPort(): Port {
  if (!process.send) throw new FetchServiceError('FETCH_PROCESS_GONE', 'this process was not started by fetch-service');
  return {
    send: (message) => void process.send?.(message, undefined, undefined, () => {}),
    onMessage: (listener) => void process.on('message', listener),
    onClose: (listener) => void process.on('disconnect', listener),
  };
}
