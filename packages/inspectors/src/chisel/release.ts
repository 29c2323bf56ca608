import type { ArtifactView, InspectionContext, InspectorsConfig, VouchLink } from '@waybill/contracts';
import { urlMatcher } from '../allowed-url.js';
import { fingerprintOf, nameOf, readKeyRing } from '../apt/key-ring.js';
import { compileRepositories } from '../apt/repositories.js';
import { ArchiveError, archiveLimits } from '../archive/expand.js';
import { pathEscapes, walkTar } from '../archive/tar.js';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { readYamlMap, toMap, type YamlMap } from '../yaml-map.js';

const memberPath = /^chisel-releases-([^/]{1,100})\/chisel\.yaml$/;
const yamlBytes = 1 << 20;
const limits = { ...archiveLimits, maxBytes: 512 * 2 ** 20, maxEntries: 100_000 };

/**
 * Releases of chisel: slices of packages, and the keys that their archives are signed by. One of those keys must be one of the `apt`
 * section. docs/inspectors/chisel.release.md
 */
export function chiselRelease(config: InspectorsConfig): Inspector<VouchLink> {
  const allowed = urlMatcher('chisel', config.chisel?.urls);
  const repositories = compileRepositories(config);
  return {
    id: 'chisel.release',
    inspectRequest(request) {
      const origin = allowed(request);
      if (!origin) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return rejectedRequest(`${request.method} of a chisel release`);
      return pending('a chisel release', origin);
    },
    async inspectArtifact(artifact, origin, context) {
      if (!origin) return undefined;
      try {
        const { release, yaml } = await readRelease(artifact, context);
        const armored = readKeys(yaml);
        checkArchives(yaml, armored);
        const rings = await Promise.all(armored.map(({ armor }) => readKeyRing(armor)));
        const problem = rings.flatMap(({ problems }) => problems)[0];
        if (problem !== undefined) throw new ArchiveError(`public-keys: ${problem}`);
        const keys = rings.flatMap((ring) => ring.keys);
        const trusted = (await Promise.all(repositories.map((repository) => repository.keys()))).flatMap(
          (ring) => ring.keys,
        );
        const known = keys.filter((key) => trusted.some((one) => fingerprintOf(one) === fingerprintOf(key)));
        const fingerprints = keys.map(fingerprintOf);
        if (known.length === 0) {
          return rejected(
            `none of its keys (${fingerprints.slice(0, 8).join(', ') || 'none'}) is a key of apt.repositories`,
            {
              hint: 'configure the archive that the release is for in the apt section, with its public-key',
            },
          );
        }
        const unknown = fingerprints.filter((one) => !known.some((key) => fingerprintOf(key) === one));
        return approved(`${release}, with ${known.length} of ${keys.length} keys configured for apt`, {
          metadata: {
            type: 'application/x.canonical.chisel-release',
            name: release,
            version: yaml.text('format'),
            vendor: 'Canonical',
          },
          vouchedBy: [
            origin,
            ...known.map((key): VouchLink => ({ kind: 'key', id: fingerprintOf(key), name: nameOf(key) })),
          ],
          annotations: { 'public-keys': fingerprints, ...(unknown.length > 0 && { 'keys-not-configured': unknown }) },
        });
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error;
        return rejected(`expected a chisel release: ${error.message}`);
      }
    },
  };
}

async function readRelease(
  artifact: ArtifactView,
  { signal }: InspectionContext,
): Promise<{ release: string; yaml: YamlMap }> {
  let found: { release: string; bytes: Buffer } | undefined;
  await walkTar(
    artifact.openRaw(),
    async (member) => {
      const danger = pathEscapes(member.path);
      if (danger) throw new ArchiveError(`a member with ${danger}: ${JSON.stringify(member.path.slice(0, 200))}`);
      const release = memberPath.exec(member.path)?.[1];
      if (release === undefined || member.type !== 'file') return;
      if (found) throw new ArchiveError('two chisel.yaml');
      found = { release, bytes: await member.read(yamlBytes) };
    },
    { limits, signal },
  );
  if (!found) throw new ArchiveError('no chisel-releases-<release>/chisel.yaml');
  try {
    return { release: found.release, yaml: readYamlMap(found.bytes.toString('utf8'), 'chisel.yaml') };
  } catch (error) {
    throw new ArchiveError((error as Error).message);
  }
}

interface ArmoredKey {
  readonly name: string;
  readonly armor: string;
}

function readKeys(yaml: YamlMap): ArmoredKey[] {
  const keys = mapOf(yaml.value('public-keys'), 'public-keys');
  return Object.entries(keys).map(([name, value]) => {
    const { armor, id } = mapOf(value, `public-keys.${name}`);
    if (typeof armor !== 'string' || (typeof id !== 'string' && typeof id !== 'number'))
      throw new ArchiveError(`public-keys.${name} has no id or armor`);
    return { name, armor };
  });
}

function checkArchives(yaml: YamlMap, keys: readonly ArmoredKey[]): void {
  if (yaml.text('format') === '') throw new ArchiveError('chisel.yaml has no format');
  const archives = Object.entries(mapOf(yaml.value('archives'), 'archives'));
  if (archives.length === 0) throw new ArchiveError('chisel.yaml has no archives');
  for (const [name, value] of archives) {
    const archive = toMap(mapOf(value, `archives.${name}`));
    const missing = ['components', 'suites', 'public-keys'].find((key) => archive.texts(key).length === 0);
    if (missing) throw new ArchiveError(`archives.${name} has no ${missing}`);
    const strange = archive.texts('public-keys').find((key) => !keys.some((one) => one.name === key));
    if (strange !== undefined)
      throw new ArchiveError(
        `archives.${name} names the key ${JSON.stringify(strange.slice(0, 100))}, which is not there`,
      );
  }
}

function mapOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ArchiveError(`chisel.yaml: ${what} is no mapping`);
  const entries = Object.entries(value as Record<string, unknown>);
  if (entries.length > 200) throw new ArchiveError(`chisel.yaml: ${what} has ${entries.length} entries`);
  return value as Record<string, unknown>;
}
