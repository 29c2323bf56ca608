import { buffer } from 'node:stream/consumers';
import type {
  ArtifactInspection,
  ArtifactMetadata,
  ArtifactView,
  InspectionContext,
  InspectorsConfig,
  VouchLink,
} from '@waybill/contracts';
import { formatPurl } from '@waybill/contracts';
import { recogniseLicenses } from '../apt/copyright/license-text.js';
import { ArchiveError, type ArchiveLimits, archiveLimits } from '../archive/expand.js';
import type { Inspector } from '../inspector.js';
import type { LockedPackages } from '../lock-files/lock-files.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { type GoProxy, type GoSettings, goSettings, locateProxy } from './configuration.js';
import { hashGoMod, hashModuleZip, modulePathOf } from './module-hash.js';
import { isGoVersion, type ProxyResource, parseProxyPath } from './module-path.js';
import { SumDatabaseError } from './sum-database.js';
import { brokenDatabaseHint, fetchSums, findSums, type SumVoucher } from './sum-lookup.js';

interface Expected {
  readonly proxy: GoProxy;
  readonly resource: ProxyResource;
}

type File = Extract<ProxyResource, { readonly version: string }>;

const goModBytes = 16 * 2 ** 20;
const listBytes = 16 * 2 ** 20;

/**
 * Lists of versions and what a version is (`list`, `@latest`, `.info`), approved by trust in the configured proxy: they choose a
 * version and hold no code. docs/inspectors/go.versions.md
 */
export function goVersions(config: InspectorsConfig): Inspector<Expected> {
  return proxyInspector('go.versions', config, ['list', 'latest', 'info'], async (artifact, { proxy, resource }) => {
    if (artifact.size > listBytes) return rejected(`expected at most ${listBytes} bytes, found ${artifact.size}`);
    const text = (await bytesOf(artifact)).toString('utf8');
    const found = resource.kind === 'list' ? inspectList(text) : inspectInfo(text);
    if (typeof found === 'string') return rejected(`${resource.kind} of ${resource.module}: ${found}`);
    return approved(`${resource.kind} of ${resource.module} from the configured proxy ${proxy.id}`, {
      metadata: {
        ...metadataOf(resource.module, found.version),
        type: `application/x.go.module.${resource.kind}`,
      },
      vouchedBy: [{ kind: 'origin', id: proxy.id, name: proxy.host }],
      annotations: found.annotations,
    });
  });
}

/** go.mod files, approved by the checksum database. docs/inspectors/go.mod.md */
export function goMod(config: InspectorsConfig): Inspector<Expected> {
  const settings = goSettings(config);
  return proxyInspector('go.mod', config, ['mod'], async (artifact, expected, context) => {
    const resource = expected.resource as File;
    if (artifact.size > goModBytes) return rejected(`expected at most ${goModBytes} bytes, found ${artifact.size}`);
    const bytes = await bytesOf(artifact);
    return judge({ sum: hashGoMod(bytes), part: 'mod', resource, proxy: expected.proxy }, settings, context, {
      ...metadataOf(resource.module, resource.version),
      type: 'application/x.go.module.mod',
    });
  });
}

/** Zips of modules, approved by the checksum database, their go.mod naming the module. docs/inspectors/go.zip.md */
export function goZip(
  config: InspectorsConfig,
  { limits = archiveLimits }: { readonly limits?: ArchiveLimits } = {},
): Inspector<Expected> {
  const settings = goSettings(config);
  return proxyInspector('go.zip', config, ['zip'], async (artifact, expected, context) => {
    const resource = expected.resource as File;
    const { module, version } = resource;
    try {
      const zip = await hashModuleZip(artifact, `${module}@${version}/`, { limits, signal: context.signal });
      const named = zip.goMod && modulePathOf(zip.goMod);
      // Versions without a /vN path ending have a go.mod that the proxy made up; old ones may name another path.
      if (named !== undefined && named !== module && !version.endsWith('+incompatible')) {
        return rejected(`expected the module ${module}, found a go.mod of ${JSON.stringify(named.slice(0, 200))}`);
      }
      const licenses = [...new Set(zip.licenses.flatMap(recogniseLicenses))].sort();
      return await judge({ sum: zip.sum, part: 'zip', resource, proxy: expected.proxy }, settings, context, {
        ...metadataOf(module, version),
        type: 'application/x.go.module.zip',
        ...(licenses.length > 0 && { license: licenses.join(' AND ') }),
      });
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      return rejected(`${module}@${version}: ${error.message}`);
    }
  });
}

function proxyInspector(
  id: string,
  config: InspectorsConfig,
  kinds: readonly ProxyResource['kind'][],
  inspectArtifact: (
    artifact: ArtifactView,
    expected: Expected,
    context: InspectionContext,
  ) => Promise<ArtifactInspection>,
): Inspector<Expected> {
  const settings = goSettings(config);
  return {
    id,
    inspectRequest(request) {
      const located = locateProxy(settings, request.normalizedUrl);
      const resource = located && parseProxyPath(located.path);
      if (!located || !resource || !kinds.includes(resource.kind)) return undefined;
      const { proxy } = located;
      const notes = {
        proxy: proxy.id,
        module: resource.module,
        ...('version' in resource && { version: resource.version }),
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of ${resource.module}: a build only reads modules`, notes);
      }
      return pending(`${resource.kind} of ${resource.module} from ${proxy.id}`, { proxy, resource }, notes);
    },
    async inspectArtifact(artifact, expected, context) {
      return expected && inspectArtifact(artifact, expected, context);
    },
  };
}

interface Found {
  /** `h1:` of what came. */
  readonly sum: string;
  readonly part: 'mod' | 'zip';
  readonly resource: File;
  readonly proxy: GoProxy;
}

async function judge(
  { sum, part, resource, proxy }: Found,
  settings: GoSettings,
  context: InspectionContext,
  metadata: Partial<ArtifactMetadata>,
): Promise<ArtifactInspection> {
  const name = `${resource.module}@${resource.version}`;
  if (settings.isUnlisted(resource.module)) {
    const vouchedBy: VouchLink[] = [{ kind: 'origin', id: proxy.id, name: proxy.host }];
    const annotations = { h1: sum, unlisted: true };
    return approved(`${name} is one of go.unlisted, from the configured proxy ${proxy.id}`, {
      metadata,
      vouchedBy,
      annotations,
    });
  }
  let vouchers: SumVoucher[];
  try {
    const known = [...lockedSums(resource, settings.locked), ...(await findSums(resource, context))];
    vouchers = known.some(({ record }) => record[part]) ? known : await fetchSums(resource, proxy, settings, context);
  } catch (error) {
    if (!(error instanceof SumDatabaseError)) throw error;
    return rejected(`${name}: ${error.message}`, { hint: brokenDatabaseHint });
  }
  const listed = vouchers.filter(({ record }) => record[part] !== undefined);
  const [first] = listed;
  if (!first) {
    return rejected(`no checksum database of this session lists ${name}`, {
      hint: 'configure go.sum-databases (as in GOSUMDB), give the go.sum under lock-files, or name the module under go.unlisted when it is private (as in GOPRIVATE)',
    });
  }
  const voucher = listed.find(({ record }) => record[part] === sum);
  if (!voucher) {
    return rejected(`expected ${name} with ${first.record[part]}, found ${sum}`, {
      annotations: { h1: sum },
      hint: 'the proxy hands out other code than the checksum database knows: do not use it',
    });
  }
  const source = voucher.link.kind === 'digest' ? 'the lock file' : 'the checksum database';
  return approved(`${sum} of ${name} as ${source} lists it`, {
    metadata,
    vouchedBy: [voucher.link],
    annotations: { h1: sum },
  });
}

/** What the configuration's go.sum says of a version, a record for each line. */
function lockedSums({ module, version }: File, locked: LockedPackages): SumVoucher[] {
  return locked
    .find('go', module, version)
    .flatMap(({ sum, link }) =>
      sum ? [{ record: { module, version, zip: undefined, mod: undefined, [sum.part]: sum.text }, link }] : [],
    );
}

function inspectList(text: string): { version?: string; annotations: Record<string, number> } | string {
  const versions = text.split('\n').filter((line) => line !== '');
  const bad = versions.find((version) => !isGoVersion(version));
  return bad === undefined
    ? { annotations: { versions: versions.length } }
    : `no version: ${JSON.stringify(bad.slice(0, 100))}`;
}

function inspectInfo(text: string): { version: string; annotations: Record<string, string> } | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'expected JSON';
  }
  const { Version: version, Time: time } = (value ?? {}) as Record<string, unknown>;
  if (typeof version !== 'string' || !isGoVersion(version)) return 'expected an object with a Version';
  return { version, annotations: typeof time === 'string' ? { time: time.slice(0, 40) } : {} };
}

function metadataOf(module: string, version: string | undefined): Partial<ArtifactMetadata> {
  const slash = module.lastIndexOf('/');
  const namespace = slash < 0 ? undefined : module.slice(0, slash);
  return {
    name: module,
    vendor: module.split('/', 1)[0] ?? '',
    ...(version !== undefined && { version }),
    purl: formatPurl({ type: 'golang', namespace, name: module.slice(slash + 1), version }),
  };
}

async function bytesOf(artifact: ArtifactView): Promise<Buffer> {
  return buffer(artifact.open());
}
