import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, open, rm } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { formatDigest, parseDigest, redactUrl } from '@waybill/contracts';
import { z } from 'zod';
import { CraftError } from '../errors.js';
import type { PartContext } from '../lifecycle/context.js';
import { stepEnvironment } from '../lifecycle/step-environment.js';
import type { StepLog } from '../lifecycle/step-log.js';

/** A file of a source, fetched and checked. */
export interface FetchedFile {
  readonly path: string;
  /** Name that the source gives it. */
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
}

const maxSourceBytes = 32 * 2 ** 30;
const retryDelaysMs = [1_000, 3_000, 9_000];
const idleTimeoutMs = 300_000;

/**
 * Brings a source that is one file into the part's run directory: a URL is downloaded inside the build environment, a path
 * is taken from the project. The checksum is verified here, over the bytes that lie there.
 * @throws CraftError CRAFT_SOURCE_MISSING, CRAFT_SOURCE_DOWNLOAD_FAILED, CRAFT_SOURCE_CHECKSUM
 */
export async function fetchFile(context: PartContext, log: StepLog): Promise<FetchedFile> {
  const source = context.part.source ?? '';
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(source);
  const name = fileName(isUrl ? new URL(source).pathname : source);
  const directory = join(context.paths.run, 'download');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const path = join(directory, name);
  if (isUrl) await download(context, log, source, path);
  else await takeLocal(context, source, path);
  const checked = await checkFile(path, context.part['source-checksum'], redactUrl(source));
  return { path, name, ...checked };
}

function fileName(path: string): string {
  let name = basename(path);
  try {
    name = decodeURIComponent(name);
  } catch {
    // Not an encoded name: it is taken as it stands.
  }
  return name.replaceAll(/[/\0]/g, '_').replace(/^\.+$/, '') || 'download';
}

async function takeLocal(context: PartContext, source: string, to: string): Promise<void> {
  const from = resolve(context.layout.project, source);
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  } catch (cause) {
    throw new CraftError(
      'CRAFT_SOURCE_MISSING',
      `part ${context.name}: cannot read the source ${from}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

const eventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('progress'), received: z.number(), total: z.number().optional() }),
  z.object({ event: z.literal('retry'), message: z.string(), delayMs: z.number() }),
  z.object({ event: z.literal('done'), received: z.number() }),
  z.object({ event: z.literal('error'), message: z.string(), status: z.number() }),
]);

async function download(context: PartContext, log: StepLog, url: string, to: string): Promise<void> {
  if (!/^https?:/i.test(url)) {
    throw new CraftError('CRAFT_SOURCE_DOWNLOAD_FAILED', `part ${context.name}: cannot download ${redactUrl(url)}`, {
      hint: 'sources come by http, https or git, or from the project',
    });
  }
  // The helper is copied to where the environment can see it, whatever else it hides.
  const script = join(
    context.paths.run,
    `download.${extname(context.helpers.download).slice(1) === 'ts' ? 'mts' : 'mjs'}`,
  );
  await rm(script, { force: true });
  await copyFile(context.helpers.download, script);
  let failure: { message: string; status: number } | undefined;
  const events = lineReader((line) => {
    const event = parseEvent(line);
    if (event?.event === 'progress') context.progress.download(event.received, event.total);
    if (event?.event === 'retry') context.progress.warn(`${event.message}; trying again in ${event.delayMs / 1000} s`);
    if (event?.event === 'error') failure = event;
  });
  const order = {
    url,
    output: to,
    maxBytes: maxSourceBytes,
    retryDelaysMs,
    idleTimeoutMs,
    pinned: context.part['source-checksum'] !== undefined,
    userAgent: 'waybill-craft',
  };
  const result = await context.environment.run({
    argv: [context.helpers.node, script],
    cwd: context.paths.run,
    env: stepEnvironment(context, 'pull'),
    stdin: JSON.stringify(order),
    onStdout: events,
    onStderr: (chunk) => log.write(chunk),
    signal: context.signal,
    network: context.network,
  });
  context.signal.throwIfAborted();
  if (result.exitCode === 0) return;
  const missing = failure?.status === 404 || failure?.status === 410;
  throw new CraftError(
    missing ? 'CRAFT_SOURCE_MISSING' : 'CRAFT_SOURCE_DOWNLOAD_FAILED',
    `part ${context.name}: ${failure ? redactUrl(failure.message) : `the download of ${redactUrl(url)} ended with ${result.exitCode ?? result.signal}`}`,
    { details: failure ? [] : log.tail() },
  );
}

function parseEvent(line: string): z.infer<typeof eventSchema> | undefined {
  try {
    return eventSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function lineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = (lines.pop() ?? '').slice(0, 65_536);
    lines.forEach(onLine);
  };
}

async function checkFile(
  path: string,
  checksum: string | undefined,
  source: string,
): Promise<{ sha256: string; size: number }> {
  const info = await lstat(path).catch(() => undefined);
  if (!info?.isFile()) throw new CraftError('CRAFT_SOURCE_DOWNLOAD_FAILED', `${source} did not become a file`);
  const wanted = checksum === undefined ? undefined : parseDigest(checksum);
  const sha256 = createHash('sha256');
  const other = wanted && wanted.algorithm !== 'sha256' ? createHash(wanted.algorithm) : undefined;
  let size = 0;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  for await (const chunk of file.createReadStream({ highWaterMark: 1 << 18 })) {
    sha256.update(chunk as Buffer);
    other?.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  const hex = sha256.digest('hex');
  const found = other?.digest('hex') ?? hex;
  if (wanted && wanted.hex !== found) {
    throw new CraftError('CRAFT_SOURCE_CHECKSUM', `${source} has another checksum than source-checksum says`, {
      details: [`wanted ${formatDigest(wanted)}`, `found  ${wanted.algorithm}:${found}`],
      hint: 'if the new file is the one you want, change source-checksum; otherwise somebody changed the file',
    });
  }
  return { sha256: hex, size };
}
