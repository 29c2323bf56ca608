import { type CacheBlob, type CacheNamespace, type CacheStore, createMemoryCacheStore } from '@waybill/cache-store';

/** A store in memory whose blobs can be lost, as by eviction, until they are stored again. */
export function createLosingStore(): { readonly lost: Set<string>; readonly store: CacheStore } {
  const store = createMemoryCacheStore();
  const lost = new Set<string>();
  const isLost = ({ sha256 }: { readonly sha256: string }) => lost.has(sha256);
  const losing = (space: CacheNamespace): CacheNamespace => ({
    name: space.name,
    rules: space.rules,
    present: async (blobs) => {
      const there = await space.present(blobs);
      return blobs.map((blob, index) => there[index] === true && !isLost(blob));
    },
    upload: async (options) => {
      const upload = await space.upload(options);
      return {
        get size() {
          return upload.size;
        },
        write: (chunk) => upload.write(chunk),
        abort: () => upload.abort(),
        async commit() {
          const blob: CacheBlob = await upload.commit();
          lost.delete(blob.sha256);
          return blob;
        },
      };
    },
    open: async (blob, range) => (isLost(blob) ? undefined : await space.open(blob, range)),
    read: async (blob, atMost) => (isLost(blob) ? undefined : await space.read(blob, atMost)),
    lookup: async (kind, keys) => {
      const entry = await space.lookup(kind, keys);
      if (!entry || ![entry.value, ...entry.references].some(isLost)) return entry;
      await space.remove(kind, entry.key, { principal: 'test' });
      return undefined;
    },
    publish: (publication, writer) => space.publish(publication, writer),
    remove: (kind, key, writer) => space.remove(kind, key, writer),
    pin: (kind, key, pinned, writer) => space.pin(kind, key, pinned, writer),
    list: (query) => space.list(query),
    usage: () => space.usage(),
  });
  return { lost, store: { ...store, namespace: (name) => losing(store.namespace(name)) } };
}
