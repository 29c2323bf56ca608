import type { CacheBlobDocument } from '@waybill/contracts';
import type { Artifact } from '../cache.js';
import type { Content } from '../local/content.js';
import type { Stored } from '../local/stored.js';
import { referencesOf } from './manifest.js';
import { restoreTrees } from './restore-trees.js';

/** Largest record or key document that is read. */
const maxDocumentBytes = 256 * 1024 * 1024;

/** What is handed out of an artifact that is whole in the content. */
export function createArtifact(content: Content, stored: Stored, atOnce: number): Artifact {
  const { manifest, blob, origin } = stored;
  return {
    manifest,
    blob,
    origin,
    bytes: referencesOf(manifest).reduce((sum, { size }) => sum + size, 0),
    restore: (trees) => restoreTrees(content, manifest, trees, atOnce),
    async read(what) {
      const wanted: CacheBlobDocument | undefined = manifest[what];
      return wanted && (await content.read(wanted, maxDocumentBytes));
    },
  };
}
