import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { lxdInstanceTypes } from './instance-types.js';
import { lxdRootfs } from './rootfs.js';
import { lxdDownload, lxdIndex } from './streams.js';

/**
 * The inspectors of image servers.
 * @see specs/fetch-service.md §5.14
 */
export function lxdInspectors(config: InspectorsConfig): readonly Inspector[] {
  return [lxdIndex(config), lxdDownload(config), lxdRootfs(config), lxdInstanceTypes(config)] as readonly Inspector[];
}
