import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { checksumBytes, checksumKind, checksumParser, checksumScope, readChecksum } from './checksums.js';
import { type Located, locate, mavenRepositories } from './repositories.js';
import type { MavenResource } from './repository-path.js';
import { readXmlValues, XmlError } from './xml-values.js';

const metadataBytes = 32 * 2 ** 20;

/**
 * `maven-metadata.xml`: which versions, snapshots and plugins there are. Approved by trust in the origin: it chooses and holds no
 * code. docs/inspectors/maven.metadata.md
 */
export function mavenMetadata(config: InspectorsConfig): Inspector<Located> {
  return repositoryInspector('maven.metadata', ['metadata'], config, async (artifact, located) => {
    const { directory } = located.resource as Extract<MavenResource, { kind: 'metadata' }>;
    if (artifact.size > metadataBytes)
      return rejected(`expected at most ${metadataBytes} bytes, found ${artifact.size}`);
    try {
      const values = readXmlValues(await bytesOf(artifact.openRaw()), 'metadata');
      const [group = ''] = values.get('metadata/groupId') ?? [];
      const [id = ''] = values.get('metadata/artifactId') ?? [];
      const found = [group.replaceAll('.', '/'), id].filter((part) => part !== '').join('/');
      // Of an artifact, of one of its snapshots, or of a group of plugins.
      const isOwn = found === '' || directory === found || directory.startsWith(`${found}/`);
      if (!isOwn)
        return rejected(`expected the metadata of ${directory}, found those of ${JSON.stringify(found.slice(0, 300))}`);
      const versions = values.get('metadata/versioning/versions/version') ?? [];
      return approved(`the metadata of ${directory} from the configured repository ${located.repository.id}`, {
        metadata: {
          type: 'application/x.maven.metadata',
          name: `metadata of ${id || directory.replaceAll('/', '.')}`,
          vendor: group || located.repository.host,
        },
        vouchedBy: [originLink(located)],
        annotations: { versions: versions.length },
      });
    } catch (error) {
      if (!(error instanceof XmlError)) throw error;
      return rejected(`the metadata of ${directory}: ${error.message}`);
    }
  });
}

/**
 * Checksum files and detached signatures. Approved by trust in the origin; sha512, sha256 and sha1 vouch for their file.
 * docs/inspectors/maven.checksum.md
 */
export function mavenChecksum(config: InspectorsConfig): Inspector<Located> {
  const inspector = repositoryInspector(checksumKind, ['checksum', 'signature'], config, async (artifact, located) => {
    const { kind, path, algorithm } = located.resource as Extract<MavenResource, { kind: 'checksum' | 'signature' }>;
    const file = path.slice(path.lastIndexOf('/') + 1);
    const most = kind === 'checksum' ? checksumBytes : 64 * 1024;
    if (artifact.size > most) return rejected(`expected at most ${most} bytes, found ${artifact.size}`);
    const text = (await bytesOf(artifact.openRaw())).toString('latin1');
    const metadata = {
      type: `application/x.maven.${kind}`,
      name: `${algorithm} of ${file}`,
      vendor: located.repository.host,
    };
    const vouchedBy = [originLink(located)];
    if (kind === 'signature') {
      if (!text.trimStart().startsWith('-----BEGIN PGP SIGNATURE-----')) {
        return rejected(`expected an armored OpenPGP signature of ${file}`);
      }
      return approved(`a signature of ${file}; it counts where the repository has keys`, { metadata, vouchedBy });
    }
    const digest = readChecksum(text, algorithm);
    if (algorithm === 'md5' && /^\s*[0-9a-f]{32}\b/i.test(text)) {
      return approved(`md5 of ${file}; it vouches for nothing`, { metadata, vouchedBy });
    }
    if (!digest) return rejected(`expected one ${algorithm} of ${file}`);
    const offer = {
      scope: checksumScope(located.repository.id, path),
      kind: checksumKind,
      attributes: { algorithm },
    };
    return approved(`${algorithm} of ${file} from the configured repository ${located.repository.id}`, {
      metadata,
      vouchedBy,
      provides: [offerWithValue(offer, digest)],
    });
  });
  return { ...inspector, catalogs: [checksumParser] };
}

function repositoryInspector(
  id: string,
  kinds: readonly MavenResource['kind'][],
  config: InspectorsConfig,
  inspectArtifact: (
    artifact: Parameters<Inspector['inspectArtifact']>[0],
    located: Located,
  ) => ReturnType<Inspector['inspectArtifact']>,
): Inspector<Located> {
  const repositories = mavenRepositories(config);
  return {
    id,
    inspectRequest(request) {
      const located = locate(repositories, request);
      if (!located || !kinds.includes(located.resource.kind)) return undefined;
      const notes = { repository: located.repository.id, file: located.path.slice(-300) };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of ${located.path}: a build only reads a repository`, notes);
      }
      return pending(`${located.path} from ${located.repository.id}`, located, notes);
    },
    inspectArtifact: async (artifact, located) => located && inspectArtifact(artifact, located),
  };
}

function originLink({ repository }: Located) {
  return { kind: 'origin', id: repository.id, name: repository.host } as const;
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  return buffer(stream);
}
