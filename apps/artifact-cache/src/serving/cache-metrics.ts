import { Counter, collectDefaultMetrics, Registry } from 'prom-client';
import { version } from '../version.js';
import { createHitHistory, type HitSpan } from './hit-history.js';

/** Which protocol a request spoke; a closed list, since it is a label. */
export type CacheProtocol = 'native' | 'bazel-http' | 'reapi' | 'asset' | 'reference' | 'turbo' | 'nx' | 'kv' | 'ssh';

/** What is counted. Labels are bounded: namespaces beyond the first hundred are one, and no key, principal or address is a label. */
export interface CacheMetrics {
  readonly registry: Registry;
  /** A name or blob was asked for and was there. */
  hit(protocol: CacheProtocol, namespace: string): void;
  /** … and was not. */
  miss(protocol: CacheProtocol, namespace: string): void;
  /** Bytes that went to clients. */
  sent(protocol: CacheProtocol, namespace: string, bytes: number): void;
  /** Bytes that clients stored. */
  received(protocol: CacheProtocol, namespace: string, bytes: number): void;
  /** Something was refused, by its stable code. */
  refused(protocol: CacheProtocol, code: string): void;
  /** What was asked for in the last day, of the namespace and those that share its label. */
  history(namespace: string): readonly HitSpan[];
}

const maxNamespaces = 100;

/** @param labelOf what stands for a namespace, say the pattern of the configuration that it falls under */
export function createCacheMetrics(labelOf: (namespace: string) => string = (name) => name): CacheMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const seen = new Set<string>();
  const label = (namespace: string): string => {
    const name = labelOf(namespace);
    if (seen.has(name)) return name;
    if (seen.size >= maxNamespaces) return 'other';
    seen.add(name);
    return name;
  };
  const counter = (name: string, help: string, ...labels: string[]) =>
    new Counter({ name: `artifact_cache_${name}`, help, labelNames: labels, registers });
  counter('build_info', 'Version of the server', 'version').inc({ version });
  const hits = counter('lookups_total', 'Names and blobs asked for', 'protocol', 'namespace', 'result');
  const bytes = counter('bytes_total', 'Bytes of bodies', 'protocol', 'namespace', 'direction');
  const refusals = counter('refusals_total', 'Refused requests by error code', 'protocol', 'code');
  const history = createHitHistory();
  const lookedUp = (protocol: CacheProtocol, namespace: string, isHit: boolean) => {
    const name = label(namespace);
    hits.inc({ protocol, namespace: name, result: isHit ? 'hit' : 'miss' });
    history.note(name, isHit);
  };
  return {
    registry,
    history: (namespace) => history.spans(label(namespace)),
    hit: (protocol, namespace) => lookedUp(protocol, namespace, true),
    miss: (protocol, namespace) => lookedUp(protocol, namespace, false),
    sent: (protocol, namespace, count) =>
      bytes.inc({ protocol, namespace: label(namespace), direction: 'sent' }, count),
    received: (protocol, namespace, count) =>
      bytes.inc({ protocol, namespace: label(namespace), direction: 'received' }, count),
    refused: (protocol, code) => refusals.inc({ protocol, code }),
  };
}
