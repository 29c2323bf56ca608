import type { CacheGrant, CacheRight } from '@waybill/cache-store';
import type { OpenRight } from './serving.js';

const order: Readonly<Record<OpenRight | CacheRight, number>> = { none: 0, read: 1, write: 2, admin: 3 };

/** Whether what somebody has includes what is asked: each right includes the ones before it. */
export function includesRight(has: OpenRight | CacheRight, asked: CacheRight): boolean {
  return order[has] >= order[asked];
}

/** Whether a pattern names a namespace: `*` all, `pr/*` all below `pr/`, anything else exactly itself. */
export function matchesPattern(pattern: string, namespace: string): boolean {
  if (pattern === '*') return true;
  if (pattern.endsWith('/*')) return namespace.startsWith(pattern.slice(0, -1)) && namespace.length >= pattern.length;
  return pattern === namespace;
}

/** Whether one of the grants gives the right. */
export function isGranted(grants: readonly CacheGrant[], namespace: string, right: CacheRight): boolean {
  return grants.some((grant) => includesRight(grant.right, right) && matchesPattern(grant.namespace, namespace));
}
