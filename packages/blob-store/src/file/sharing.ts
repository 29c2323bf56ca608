import { existsSync } from 'node:fs';
import type { Clock, Logger } from '@waybill/contracts';
import type { PerName } from '../per-name.js';
import type { ForeignSlot, Note } from './foreign-slot.js';
import type { ForeignSlots } from './foreign-slots.js';
import { filePath } from './layout.js';
import type { OwnSlot } from './own-slot.js';
import { unwantedHeader, usedHeader } from './record.js';
import type { SegmentEntry } from './segment-index.js';

/** A further use is noted when the last noted one is older than this. Seconds. */
const useLag = 60;
/** So long a request to remove a blob keeps others from relying on it. Seconds. */
const requestLasts = 600;
/** Requests remembered for each slot; a sweep that comes again asks again. */
const keptRequests = 100_000;

/** What sharing a directory needs. */
export interface SharingParts {
  readonly own: OwnSlot;
  readonly foreign: ForeignSlots;
  readonly perName: PerName;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What processes that share a directory tell each other through their segments: who uses a blob, and which blobs are to go.
 * Only its own process removes a blob; others ask it to.
 */
export class Sharing {
  readonly #parts: SharingParts;
  /** Own blobs that others ask to remove. */
  readonly #requested = new Map<string, SegmentEntry>();
  /** Own blobs whose removal is being decided, and whether somebody used them meanwhile. */
  readonly #deciding = new Map<string, boolean>();
  /** Segments of others that hold blobs which this process relies on. */
  readonly #relied = new Map<ForeignSlot, Set<number>>();
  #serving: Promise<void> | undefined;

  constructor(parts: SharingParts) {
    this.#parts = parts;
  }

  now(): number {
    return Math.ceil(this.#parts.clock.now().getTime() / 1000);
  }

  /** Takes what others wrote; what asks for removals is done soon. */
  hear(notes: readonly Note[]): void {
    for (const note of notes) if (note.entry.kind === 'unwanted') this.#hearRequest(note);
    for (const { entry } of notes) if (entry.kind === 'used') this.#hearUse(entry);
    if (this.#requested.size > 0) this.#serving ??= this.#serve();
  }

  /** The same bytes came again: whoever asked to remove them did so before. */
  async keep(name: string): Promise<void> {
    await this.#parts.foreign.refresh();
    const isRescued = this.#requested.delete(name);
    await this.noteUse(name, { always: isRescued });
  }

  /** Says that a blob is wanted, at most once a minute. @returns whether there was something to say */
  async noteUse(name: string, { always = false }: { readonly always?: boolean } = {}): Promise<boolean> {
    const { own, foreign } = this.#parts;
    const now = this.now();
    const holders = [own, ...foreign.holding(name)];
    const last = Math.max(...holders.map(({ catalog }) => catalog.index.get(name)?.usedAt ?? 0));
    if (!always && now - last < useLag) return false;
    for (const { catalog } of holders) catalog.index.touch(name, now);
    await own.append(usedHeader(name, now));
    return true;
  }

  /** Whether this process may rely on a blob of another from now on. */
  async claim(name: string): Promise<boolean> {
    const { foreign } = this.#parts;
    if (await this.noteUse(name)) await foreign.refresh();
    const holder = foreign.holding(name).find((slot) => this.#isSafe(slot, name));
    if (!holder) return false;
    const relied = this.#relied.get(holder) ?? new Set();
    this.#relied.set(holder, relied.add(holder.catalog.index.get(name)?.segment as number));
    return true;
  }

  /** Makes durable what this process relies on. */
  async flush(): Promise<void> {
    if (this.#relied.size === 0) return;
    const relied = [...this.#relied].flatMap(([slot, segments]) => [...segments].map((number) => ({ slot, number })));
    await Promise.all(
      relied.map(async ({ slot, number }) => {
        await slot.makeDurable(number);
        this.#relied.get(slot)?.delete(number);
      }),
    );
    for (const [slot, segments] of this.#relied) if (segments.size === 0) this.#relied.delete(slot);
  }

  /** Removes a blob here, and asks others who have it to. Call with the name reserved. @param unusedSince ms, 0: no condition */
  async remove(name: string, unusedSince: number): Promise<boolean> {
    const { own, foreign } = this.#parts;
    await foreign.refresh();
    const wasHere = own.catalog.index.get(name) !== undefined;
    if (wasHere && !(await this.#removeOwn(name, unusedSince))) return false;
    const holders = foreign.holding(name);
    if (holders.length === 0) return wasHere;
    if (holders.some(({ catalog }) => isRecent(catalog.index.get(name)?.usedAt, unusedSince))) return false;
    const header = unwantedHeader(name, unusedSince, this.now());
    await own.append(header);
    for (const slot of holders) {
      remember(slot, {
        kind: 'unwanted',
        sha256: name,
        offset: 0,
        size: unusedSince,
        usedAt: header.usedAt,
        sha1: '',
        sha512: '',
      });
    }
    return true;
  }

  async close(): Promise<void> {
    this.#requested.clear();
    await this.#serving;
  }

  async #removeOwn(name: string, unusedSince: number): Promise<boolean> {
    const { own, foreign } = this.#parts;
    const isUsed = () => isRecent(own.catalog.index.get(name)?.usedAt, unusedSince);
    if (unusedSince === 0) {
      await own.remove(name);
      return true;
    }
    if (isUsed()) return false;
    this.#deciding.set(name, false);
    try {
      return await own.removeUnless(name, {
        show: () => own.append(unwantedHeader(name, unusedSince, this.now())),
        isWanted: async () => {
          await foreign.refresh();
          return this.#deciding.get(name) === true || isUsed();
        },
      });
    } finally {
      this.#deciding.delete(name);
    }
  }

  #hearUse({ sha256, usedAt }: SegmentEntry): void {
    const { own, foreign } = this.#parts;
    own.catalog.index.touch(sha256, usedAt);
    for (const slot of foreign.all()) slot.catalog.index.touch(sha256, usedAt);
    if (this.#deciding.has(sha256)) this.#deciding.set(sha256, true);
  }

  #hearRequest({ entry, isOld }: Note): void {
    const { own, foreign } = this.#parts;
    for (const slot of foreign.holding(entry.sha256)) remember(slot, entry);
    const location = own.catalog.index.get(entry.sha256);
    if (location && !(isOld && isOutdated(entry, location.usedAt))) this.#requested.set(entry.sha256, entry);
  }

  async #serve(): Promise<void> {
    const { own, perName, logger } = this.#parts;
    // Whoever hears may hold the name it is about.
    await undefined;
    for (const name of this.#requested.keys()) {
      try {
        await perName.run(name, async () => {
          const request = this.#requested.get(name);
          if (!request || !this.#requested.delete(name) || !own.catalog.index.get(name)) return;
          await this.#removeOwn(name, request.size);
        });
      } catch (error) {
        logger.error({ blob: name, error: String(error) }, 'cannot remove a blob that another process asked to remove');
      }
    }
    this.#serving = undefined;
  }

  #isSafe(slot: ForeignSlot, name: string): boolean {
    const request = slot.requests.get(name);
    if (request && request.usedAt > this.now() - requestLasts) return false;
    return slot.catalog.index.get(name)?.place !== 'file' || existsSync(filePath(slot.layout, name));
  }
}

/**
 * Whether a request says nothing of a blob as it is now. Records of different processes have no order but their times, which
 * are whole minutes: what was used in the minute before a request may have been stored after it.
 */
export function isOutdated(request: SegmentEntry, usedAt: number): boolean {
  return request.size === 0 ? usedAt >= request.usedAt - useLag : isRecent(usedAt, request.size);
}

/** @param unusedSince ms; 0: no condition */
function isRecent(usedAt: number | undefined, unusedSince: number): boolean {
  return unusedSince > 0 && ((usedAt ?? 0) + useLag) * 1000 >= unusedSince;
}

function remember(slot: ForeignSlot, request: SegmentEntry): void {
  if (slot.requests.size < keptRequests) slot.requests.set(request.sha256, request);
}
