import { existsSync } from 'node:fs';
import { BlobStoreError } from '../errors.js';
import type { ForeignSlot } from './foreign-slot.js';
import { type OwnSlotOptions, openOwnSlot } from './own-slot.js';
import { isOutdated } from './sharing.js';

/** What opening the slot of another process needs. */
export type OrphanOptions = Omit<OwnSlotOptions, 'layout' | 'locking'>;

/**
 * Tidies up in a slot whose process is gone: repairs it, removes what others asked to remove, and rewrites its most wasted
 * segment. A process that wants the slot for itself waits meanwhile.
 * @returns bytes freed; 0 when there was nothing to do or the slot is in use
 */
export async function sweepOrphan(slot: ForeignSlot, options: OrphanOptions): Promise<number> {
  if (!needsSweep(slot)) return 0;
  const own = await adopt(slot, options);
  if (!own) return 0;
  let freed = 0;
  try {
    for (const [name, request] of slot.requests) {
      const location = own.catalog.index.get(name);
      // What others noted of its use lies in their segments.
      const usedAt = Math.max(location?.usedAt ?? 0, slot.catalog.index.get(name)?.usedAt ?? 0);
      if (!location || isOutdated(request, usedAt)) continue;
      await own.remove(name);
      if (location.place === 'file') freed += location.size;
    }
    slot.requests.clear();
    return freed + (await own.compactor.compact());
  } finally {
    await own.close();
  }
}

function needsSweep({ requests, catalog, layout }: ForeignSlot): boolean {
  return (
    requests.size > 0 || catalog.mostWasted() !== undefined || (existsSync(layout.packs) && !existsSync(layout.clean))
  );
}

async function adopt({ layout }: ForeignSlot, options: OrphanOptions) {
  try {
    return await openOwnSlot({ ...options, layout, locking: { isPatient: false, isSweeping: true } });
  } catch (error) {
    if (error instanceof BlobStoreError && error.code === 'BLOB_LOCKED') return undefined;
    throw error;
  }
}
