import { appendFile, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { type Logger, silentLogger } from '@waybill/contracts';
import { formatAnswer, formatPublished, parseLine } from './answer-line.js';
import { type AnswerMemory, createAnswerMemory } from './answer-memory.js';

export interface AnswerLogOptions {
  /** Made when absent; may be shared by the processes of one service. */
  readonly file: string;
  readonly logger?: Logger | undefined;
  /** URLs kept in memory. */
  readonly urls?: number | undefined;
  /** The file is written anew when it is longer and most of it is stale. Default 32 MiB. */
  readonly compactBytes?: number | undefined;
}

/** An {@link AnswerMemory} that survives a restart. */
export interface AnswerLog extends AnswerMemory {
  /** Resolves when all that is remembered so far lies in the file, and all that others wrote is known. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** How long lines wait for others: what is lost in a crash is fetched again. */
const flushEveryMs = 500;
/** How old what others wrote may be before it is read. */
const refreshEveryMs = 1_000;
/** Lines that wait to be written; more are kept in memory only. */
const mostPending = 4_096;
/** Of a longer file only the end is read. */
const mostReadBytes = 64 * 2 ** 20;

/**
 * Keeps approved answers in a file of lines, each with a checksum: whatever a crash or a full disk leaves behind is read as far
 * as it is whole. No body is trusted for it: one is verified against the digest it names, and the digest against a vouch of the
 * session or the upstream's own word. Which bodies are public is believed, so only the service may write the file; a line that is
 * lost makes its body private, and answers for credentials stay in memory.
 */
export async function openAnswerLog(options: AnswerLogOptions): Promise<AnswerLog> {
  const log = new FileLog(options);
  await log.flush();
  return log;
}

class FileLog implements AnswerLog {
  readonly #memory: AnswerMemory;
  readonly #file: string;
  readonly #logger: Logger;
  readonly #compactBytes: number;
  #pending: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  /** What of the file is read: which file, and how far. */
  #read = { inode: 0, offset: 0 };
  #refreshedMs = performance.now();
  #isFailing = false;
  #hasWritten = false;

  constructor({ file, logger = silentLogger, urls, compactBytes = 32 * 2 ** 20 }: AnswerLogOptions) {
    this.#memory = createAnswerMemory({ urls });
    this.#file = file;
    this.#logger = logger;
    this.#compactBytes = compactBytes;
  }

  get size(): number {
    return this.#memory.size;
  }

  find(url: string) {
    if (performance.now() - this.#refreshedMs > refreshEveryMs) void this.flush();
    return this.#memory.find(url);
  }

  all() {
    return this.#memory.all();
  }

  remember(answer: Parameters<AnswerMemory['remember']>[0]): void {
    this.#memory.remember(answer);
    if (!answer.isPrivate) this.#write(formatAnswer(answer));
  }

  publish(sha256: string): void {
    if (!this.#memory.isPublic(sha256)) this.#write(formatPublished(sha256));
    this.#memory.publish(sha256);
  }

  isPublic(sha256: string): boolean {
    if (performance.now() - this.#refreshedMs > refreshEveryMs) void this.flush();
    return this.#memory.isPublic(sha256);
  }

  published() {
    return this.#memory.published();
  }

  #write(line: string): void {
    if (this.#pending.length >= mostPending) return;
    this.#pending.push(line);
    this.#timer ??= setTimeout(() => void this.flush(), flushEveryMs).unref();
  }

  forget(answer: Parameters<AnswerMemory['forget']>[0]): void {
    this.#memory.forget(answer);
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#refreshedMs = performance.now();
    this.#work = this.#work.then(() => this.#exchange()).catch((error: unknown) => this.#fail(error));
    return this.#work;
  }

  close(): Promise<void> {
    return this.flush();
  }

  async #exchange(): Promise<void> {
    const lines = this.#pending;
    this.#pending = [];
    // Whoever wrote before may have been killed within a line.
    const own = lines.length > 0 ? Buffer.from(`${this.#hasWritten ? '' : '\n'}${lines.join('')}`) : undefined;
    if (own) {
      await appendFile(this.#file, own, { mode: 0o600 });
      this.#hasWritten = true;
    }
    const size = await this.#readOn(own?.length ?? 0);
    this.#isFailing = false;
    if (size > this.#compactBytes) await this.#compact();
  }

  /**
   * Reads what was appended since the last time, by whomever, unless it is known.
   * @param own bytes that were just appended
   * @returns bytes of the file
   */
  async #readOn(own: number): Promise<number> {
    const found = await stat(this.#file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (!found) return 0;
    if (found.ino !== this.#read.inode || found.size < this.#read.offset) this.#read = { inode: found.ino, offset: 0 };
    // Nobody else has appended anything.
    if (this.#read.offset > 0 && found.size === this.#read.offset + own) this.#read.offset = found.size;
    const start = Math.max(this.#read.offset, found.size - mostReadBytes);
    if (start === found.size) return found.size;
    const file = await open(this.#file, 'r');
    try {
      this.#read.offset = start + (await this.#take(file.createReadStream({ start, autoClose: false })));
    } finally {
      await file.close();
    }
    return found.size;
  }

  /** @returns bytes up to the end of the last whole line */
  async #take(stream: AsyncIterable<Buffer>): Promise<number> {
    let taken = 0;
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of stream) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      const end = bytes.lastIndexOf(0x0a) + 1;
      for (const line of bytes.toString('utf8', 0, end).split('\n')) {
        const said = parseLine(line);
        if (typeof said === 'string') this.#memory.publish(said);
        else if (said) this.#memory.remember(said);
      }
      taken += end;
      rest = bytes.subarray(end);
    }
    return taken;
  }

  /** Others that append to the old file meanwhile lose a few lines; they find the new one by its inode. */
  async #compact(): Promise<void> {
    const answers = [...this.#memory.all()].filter(({ isPrivate }) => !isPrivate).map(formatAnswer);
    const lines = [...answers, ...Array.from(this.#memory.published(), formatPublished)];
    const next = `${this.#file}.${process.pid}.new`;
    try {
      await writeFile(next, lines.join(''), { mode: 0o600 });
      await rename(next, this.#file);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
    const { ino, size } = await stat(this.#file);
    this.#read = { inode: ino, offset: size };
  }

  #fail(error: unknown): void {
    if (!this.#isFailing) {
      this.#logger.warn({ error: String(error) }, 'what was approved cannot be remembered beyond a restart');
    }
    this.#isFailing = true;
  }
}
