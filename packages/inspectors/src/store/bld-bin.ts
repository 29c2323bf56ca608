import { createHash } from 'node:crypto';
import {
  type ArtifactView,
  type Derivation,
  formatPurl,
  type InspectionContext,
  type InspectorsConfig,
} from '@waybill/contracts';
import { urlMatcher } from '../allowed-url.js';
import { decompress } from '../apt/bytes/decompress.js';
import { readTar } from '../apt/bytes/tar-reader.js';
import { FormatProblem } from '../apt/format-problem.js';
import type { Inspector } from '../inspector.js';
import { normalizeLicense } from '../license.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { readYamlMap, type YamlMap } from '../yaml-map.js';
import { type PackageInfo, storeInfoKind } from './package-info.js';

const metadataPath = 'metadata.yaml';
const metadataBytes = 1 << 20;
/** Decompressed bytes that are gone through for the metadata. */
const expandedBytes = 4 * 2 ** 30;

const sha3: Derivation<string> = { id: 'sha3-384/1', weigh: () => 200 };

/**
 * Binary packages of a craft store. Approved when what the store said of the package in this session lists their sha3-384.
 * docs/inspectors/bld.bin.md
 */
export function bldBin(config: InspectorsConfig): Inspector<true> {
  const allowed = urlMatcher('bldbin', config.bldbin?.urls);
  return {
    id: 'bld.bin',
    inspectRequest(request) {
      if (!allowed(request)) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return rejectedRequest(`${request.method} of a package`);
      return pending('a binary package', true);
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      try {
        return await judge(artifact, context);
      } catch (error) {
        if (!(error instanceof FormatProblem)) throw error;
        return rejected(`expected a tar.xz with ${metadataPath}: ${error.message}`);
      }
    },
  };
}

async function judge(artifact: ArtifactView, context: InspectionContext) {
  const digest = await context.derived(sha3, artifact.digests.sha256, () => sha3Of(artifact));
  const catalogs = await context.catalogs<PackageInfo>(storeInfoKind);
  const found = catalogs.findLast(({ value }) => value.revisions.has(digest));
  const listed = found?.value.revisions.get(digest);
  if (!found || !listed) {
    return rejected(`the store did not list a file of the sha3-384 ${digest} in this session`, {
      hint: 'ask the store for the package (/v2/bins/info/<name>) in the same session first',
    });
  }
  const info = found.value;
  const notes = { 'package-id': info.packageId, revision: listed.revision, digest, channel: listed.channel };
  if (info.type !== 'bins')
    return rejected(`the file belongs to ${info.name} among the ${info.type}, expected bins`, { annotations: notes });
  if (listed.size !== undefined && listed.size !== artifact.size) {
    return rejected(`expected ${listed.size} bytes, found ${artifact.size}`, { annotations: notes });
  }
  const yaml = await readMetadata(artifact, context.signal);
  const missing = ['name', 'version', 'base', 'architecture'].filter((key) => yaml.text(key) === '');
  if (missing.length > 0) return rejected(`${metadataPath} has no ${missing.join(', ')}`, { annotations: notes });
  const [name, version] = [yaml.text('name'), yaml.text('version')];
  if (name !== info.name)
    return rejected(`the store calls it ${info.name}, ${metadataPath} ${JSON.stringify(name)}`, { annotations: notes });
  return approved(`${name} ${version}, as the store lists it`, {
    metadata: {
      type: 'application/x.canonical.bld-bin-package',
      name,
      version,
      architecture: yaml.text('architecture'),
      description: yaml.text('summary'),
      license: normalizeLicense(yaml.text('license')),
      vendor: yaml.texts('contact').join(', '),
      'store-revision': listed.revision,
      'content-id': info.packageId,
      purl: formatPurl({
        type: 'generic',
        namespace: 'bin',
        name,
        version,
        qualifiers: { package_id: info.packageId },
      }),
    },
    vouchedBy: [{ kind: 'artifact', sha256: found.ref.sha256, inspector: storeInfoKind, name: found.ref.name }],
    annotations: { ...notes, base: yaml.text('base') },
  });
}

async function readMetadata(artifact: ArtifactView, signal: AbortSignal): Promise<YamlMap> {
  const plain = decompress(artifact.openRaw(), { compression: 'xz', maxBytes: expandedBytes, signal });
  for await (const entry of readTar(plain)) {
    signal.throwIfAborted();
    if (entry.path.replace(/^\.\//, '') !== metadataPath) continue;
    if (entry.type !== 'file' || entry.size > metadataBytes)
      throw new FormatProblem(`${metadataPath} is no file of at most ${metadataBytes} bytes`);
    const bytes = await entry.read(metadataBytes);
    try {
      return readYamlMap(bytes.toString('utf8'), metadataPath);
    } catch (error) {
      throw new FormatProblem((error as Error).message);
    }
  }
  throw new FormatProblem(`the archive has no ${metadataPath}`);
}

async function sha3Of(artifact: ArtifactView): Promise<string> {
  const hash = createHash('sha3-384');
  for await (const chunk of artifact.openRaw()) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
