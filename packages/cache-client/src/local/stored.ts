import type { CacheArtifact, CacheBlobDocument } from '@waybill/contracts';
import type { ArtifactOrigin } from '../cache.js';

/** A name with its manifest, as the local cache has it. */
export interface Stored {
  readonly manifest: CacheArtifact;
  readonly blob: CacheBlobDocument;
  readonly origin: ArtifactOrigin;
}
