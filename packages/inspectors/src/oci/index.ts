import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { ociBlob } from './blob.js';
import { ociManifest } from './manifest.js';
import { ociRegistry } from './service.js';

/** Inspectors of container images, in the order of the registry. */
export function ociInspectors(config: InspectorsConfig): readonly Inspector[] {
  return [ociRegistry(config), ociManifest(config), ociBlob(config)] as readonly Inspector[];
}
