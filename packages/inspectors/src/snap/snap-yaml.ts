import { isUtf8 } from 'node:buffer';
import { readYamlMap } from '../yaml-map.js';

/** What a snap says of itself. */
export interface SnapYaml {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly license: string;
  readonly architectures: readonly string[];
}

/** Longest meta/snap.yaml: those of snaps with hundreds of apps have some ten thousand bytes. */
export const snapYamlBytes = 1 << 20;

/** @throws Error for what is no meta/snap.yaml */
export function readSnapYaml(bytes: Buffer): SnapYaml {
  if (!isUtf8(bytes)) throw new Error('meta/snap.yaml is not in UTF-8');
  const map = readYamlMap(bytes.toString('utf8'), 'meta/snap.yaml');
  const name = map.text('name');
  if (!/^[a-z0-9-]{1,40}$/.test(name))
    throw new Error(`meta/snap.yaml has the name ${JSON.stringify(name.slice(0, 100))}`);
  return {
    name,
    version: map.text('version'),
    summary: map.text('summary'),
    license: map.text('license'),
    architectures: map.texts('architectures'),
  };
}
