import { writeAudit } from './audit.js';
import { removeBlobs } from './blob-rows.js';
import type { StoreContext } from './context.js';

/** Who writes what nobody asked for. */
export const collectorWriter = { principal: 'artifact-cache' };

/**
 * Takes a blob whose bytes are wrong or gone out of all namespaces. Names that need it are found incomplete when they are next
 * looked up; whoever has the right bytes may send them again.
 */
export async function damaged({ database, writes, logger }: StoreContext, sha256: string): Promise<void> {
  logger.error({ sha256 }, 'a blob is damaged or gone; it is put aside');
  const rows = await database.rows(
    'select n.name from cache_blobs b join cache_namespaces n on n.id = b.namespace where b.sha256 = ?',
    [sha256],
  );
  for (const [name] of rows) {
    const namespace = String(name);
    await writes.run({
      namespaces: [namespace],
      run: async (transaction) => {
        const removed = await removeBlobs(transaction, transaction.held(namespace), [sha256]);
        if (removed.length === 0) return;
        const record = { namespace, action: 'evict', sha256, writer: collectorWriter, detail: 'damaged' } as const;
        await writeAudit(transaction, transaction.now, record);
      },
    });
  }
}
