import { type InspectorsConfig, inspectorsConfigSchema } from '@waybill/contracts';
import { buildSnapAssertions, createSnapKeys, type SnapKey, type SnapStoreInput } from '@waybill/testkit';
import { squashfsSample } from './squashfs-captured.js';

export { assertionType, snapDigest as sha3 } from '@waybill/testkit';

export const storeUrl = 'https://snaps.registry.example/';
export const snapId = 'buPKUD3TKqCOgLEjjHx5kSiCpIs5cMuQ';

/** A store of one snap in memory: a root key, the store's own key, and the assertions of the snap. */
export interface SnapScenario {
  readonly root: SnapKey;
  readonly key: SnapKey;
  readonly snap: Buffer;
  /** Texts by path below the store. */
  readonly assertions: Readonly<Record<string, string>>;
  readonly companions: Readonly<Record<string, string>>;
  readonly config: InspectorsConfig;
  readonly snapUrl: string;
}

export interface SnapScenarioOptions extends Pick<SnapStoreInput, 'change' | 'signer'> {
  readonly snap?: Buffer;
  /** Paths that the store does not have. */
  readonly without?: readonly string[];
  readonly configuration?: Record<string, unknown>;
  /** Whole assertion in the configuration instead of its digest. */
  readonly inlineRoot?: boolean;
}

const { root, key, stranger } = createSnapKeys();
/** Nobody knows it. */
export const strangeKey = stranger;

export function createSnapScenario(options: SnapScenarioOptions = {}): SnapScenario {
  const { snap = squashfsSample('gzip'), without = [] } = options;
  const all = buildSnapAssertions({ ...options, root, key, snap, snapId, name: 'hello', revision: '42' });
  const rootKey = all[`v2/assertions/account-key/${root.id}`] as string;
  const assertions = Object.fromEntries(Object.entries(all).filter(([path]) => !without.includes(path)));
  return {
    root,
    key,
    snap,
    assertions,
    companions: Object.fromEntries(Object.entries(assertions).map(([path, text]) => [storeUrl + path, text])),
    config: inspectorsConfigSchema.parse({
      snap: {
        'snap-declaration': [{ name: 'publisher-id', value: ['publisher1', 'other'] }],
        store: storeUrl,
        downloads: ['https://*.cdn.registry.example/**'],
        'root-account-keys': [options.inlineRoot ? rootKey : root.id],
        ...options.configuration,
      },
    }),
    snapUrl: `${storeUrl}api/v1/snaps/download/${snapId}_42.snap`,
  };
}
