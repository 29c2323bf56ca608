import type { Readable, Writable } from 'node:stream';
import { encodeReceiveFrame, isWaybillError, redactText } from '@waybill/contracts';
import { messageOf } from '../errors.js';
import type { Serving } from '../serving/serving.js';
import { version } from '../version.js';
import { askedNamespace } from './asked-namespace.js';
import { ReceiveError } from './receive-error.js';
import { runReceiveSession } from './receive-session.js';
import { whoPushes } from './who-pushes.js';

/** What `artifact-cache receive` is given. */
export interface ReceiveOptions {
  readonly principal?: string | undefined;
  readonly key?: string | undefined;
  /** The only namespace that may be written; undefined: those that the principal's rights name. */
  readonly namespace?: string | undefined;
  readonly verbose?: boolean | undefined;
  /** Longest silence of the client. Milliseconds, default 5 minutes. */
  readonly silenceMs?: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/**
 * Serves one client on standard input and output, as sshd's forced command. What went wrong is said in an `error` frame, and
 * for people on standard error.
 * @returns the exit code: 0 done, 1 failed, 64 for a command that is none of ours
 */
export async function receive(openServing: () => Promise<Serving>, options: ReceiveOptions): Promise<number> {
  const { env, stdin, stdout, stderr } = options;
  const say = (text: string) => void stderr.write(`artifact-cache: ${redactText(text)}\n`);
  // A client that goes away while it is written to is nothing more than that.
  stdout.on('error', () => stdin.destroy());
  // Resolves when the frame has left us: the last one must not be lost when the process ends.
  const write = (frame: Buffer) => new Promise<void>((resolve) => void stdout.write(frame, () => resolve()));
  try {
    const asked = askedNamespace(env);
    const namespace = options.namespace ?? asked;
    const serving = await openServing();
    const caller = await whoPushes(serving.store, options);
    const input = watched(stdin, options.silenceMs ?? 300_000);
    if (options.verbose) say(`receiving from ${(await caller()).principal}`);
    await runReceiveSession({ serving, caller, namespace, input, write, version });
    return 0;
  } catch (error) {
    await write(errorFrame(error));
    say(messageOf(error));
    if (isWaybillError(error) && error.hint) say(error.hint);
    return error instanceof ReceiveError && error.code === 'RECEIVE_COMMAND_REFUSED' ? 64 : 1;
  } finally {
    stdin.destroy();
  }
}

/** Ends when nothing comes for too long: a client that hangs must not hold the room that it reserved. */
async function* watched(stdin: Readable, silenceMs: number): AsyncIterable<Uint8Array> {
  const silent = new ReceiveError('RECEIVE_SILENT', `nothing came for ${Math.round(silenceMs / 1000)} s`);
  const alarm = setTimeout(() => stdin.destroy(silent), silenceMs);
  try {
    for await (const chunk of stdin as AsyncIterable<Buffer>) {
      alarm.refresh();
      yield chunk;
      alarm.refresh();
    }
  } finally {
    clearTimeout(alarm);
  }
}

function errorFrame(error: unknown): Buffer {
  const known = isWaybillError(error);
  return encodeReceiveFrame('error', {
    error: known ? error.code : 'FAILED',
    message: redactText(known ? error.message : 'the server failed').slice(0, 2000),
    ...(known && error.hint && { hint: redactText(error.hint).slice(0, 2000) }),
  });
}
