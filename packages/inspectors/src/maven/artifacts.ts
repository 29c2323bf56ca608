import { buffer } from 'node:stream/consumers';
import type {
  ArtifactInspection,
  ArtifactMetadata,
  ArtifactView,
  BodyDigests,
  CatalogOffer,
  Digest,
  InspectionContext,
  InspectorsConfig,
  JsonObject,
} from '@waybill/contracts';
import { formatDigest } from '@waybill/contracts';
import { ArchiveError, type ArchiveLimits, archiveLimits } from '../archive/expand.js';
import { foundInstead } from '../has-digest.js';
import type { Inspector } from '../inspector.js';
import { JsonProjectionError } from '../json-projection.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { fetchVouchers, findVouchers, type Voucher } from './checksums.js';
import { GradleModuleError, moduleKind, moduleParser, moduleScope, readGradleModule } from './gradle-module.js';
import { readJar } from './jar-content.js';
import {
  artifactMetadata,
  isModelOf,
  type ProjectModel,
  pomBytes,
  pomKind,
  pomParser,
  pomScope,
  readModel,
} from './project-model.js';
import { type Located, locate, type MavenRepository, mavenRepositories } from './repositories.js';
import type { Coordinates, MavenResource } from './repository-path.js';
import { checkSignature } from './signature.js';
import { XmlError } from './xml-values.js';

type Placed = Located<Extract<MavenResource, Coordinates>>;

/** What an artifact's content tells. */
interface Content {
  readonly metadata: Partial<ArtifactMetadata>;
  readonly provides?: readonly CatalogOffer[];
  readonly annotations?: JsonObject;
}

/** Poms, those of parents and platforms among them. docs/inspectors/maven.pom.md */
export function mavenPom(config: InspectorsConfig): Inspector<Placed> {
  const read = async (
    artifact: ArtifactView,
    placed: Placed,
    context: InspectionContext,
  ): Promise<Content | string> => {
    const { repository, resource } = placed;
    if (artifact.size > pomBytes) return `a pom of more than ${pomBytes} bytes`;
    const model = readModel(await bytesOf(artifact));
    if (!isModelOf(model, resource)) return wrong(resource, model);
    const offer = { scope: pomScope(repository.id, resource), kind: pomKind };
    const models = [model, ...(await parentsOf(model, repository, context))];
    return {
      metadata: { ...artifactMetadata(resource, models), type: 'application/x.maven.pom' },
      provides: [offerWithValue(offer, model)],
      ...(model.parent && { annotations: { parent: coordinatesOf(model.parent) } }),
    };
  };
  return { ...artifactInspector(pomKind, ['pom'], config, read), catalogs: [pomParser] };
}

/** Gradle's module metadata; they vouch for the files of their directory. docs/inspectors/maven.module.md */
export function mavenModule(config: InspectorsConfig): Inspector<Placed> {
  const read = async (artifact: ArtifactView, { repository, resource }: Placed): Promise<Content | string> => {
    const module = await readGradleModule(artifact.openRaw());
    const { component } = module;
    if (
      component.group !== resource.group ||
      component.artifact !== resource.artifact ||
      component.version !== resource.version
    ) {
      return wrong(resource, component);
    }
    const offer = { scope: moduleScope(repository.id, resource.directory), kind: moduleKind };
    return {
      metadata: { ...artifactMetadata(resource, []), type: 'application/x.maven.module' },
      provides: [offerWithValue(offer, module)],
      annotations: { files: module.files.size },
    };
  };
  return { ...artifactInspector(moduleKind, ['module'], config, read), catalogs: [moduleParser] };
}

/** Jars and their kin. docs/inspectors/maven.jar.md */
export function mavenJar(
  config: InspectorsConfig,
  { limits = archiveLimits }: { readonly limits?: ArchiveLimits } = {},
): Inspector<Placed> {
  return artifactInspector('maven.jar', ['archive'], config, async (artifact, placed, context) => {
    const { repository, resource } = placed;
    const { own, others } = await readJar(artifact, resource, { limits, signal: context.signal });
    if (own && !isModelOf(own, resource)) return wrong(resource, own);
    const [only] = others;
    // One foreign pom and none of its own: the jar of somebody else under this name.
    if (!own && others.length === 1 && only !== undefined && !only.endsWith(`:${resource.artifact}`)) {
      return `expected ${coordinatesOf(resource)}, found the pom of ${JSON.stringify(only.slice(0, 300))} in it`;
    }
    const listed = await context.catalogs<ProjectModel>(pomScope(repository.id, resource));
    const model = own ?? listed.at(-1)?.value;
    const models = model ? [model, ...(await parentsOf(model, repository, context))] : [];
    return {
      metadata: { ...artifactMetadata(resource, models), type: 'application/java-archive' },
      annotations: { pom: own !== undefined, ...(others.length > 0 && { 'other-poms': others.length }) },
    };
  });
}

/** Whatever else lies beside them: distributions, descriptors, sources in other forms. docs/inspectors/maven.file.md */
export function mavenFile(config: InspectorsConfig): Inspector<Placed> {
  return artifactInspector('maven.file', ['file'], config, async (_artifact, { repository, resource }, context) => {
    const listed = await context.catalogs<ProjectModel>(pomScope(repository.id, resource));
    return {
      metadata: artifactMetadata(
        resource,
        listed.slice(-1).map(({ value }) => value),
      ),
    };
  });
}

function artifactInspector(
  id: string,
  kinds: readonly MavenResource['kind'][],
  config: InspectorsConfig,
  read: (artifact: ArtifactView, placed: Placed, context: InspectionContext) => Promise<Content | string>,
): Inspector<Placed> {
  const repositories = mavenRepositories(config);
  return {
    id,
    inspectRequest(request) {
      const located = locate(repositories, request);
      if (!located || !kinds.includes(located.resource.kind)) return undefined;
      const placed = located as Placed;
      const { group, artifact, version, file } = placed.resource;
      const notes = {
        repository: placed.repository.id,
        'group-id': group,
        'artifact-id': artifact,
        version,
        file,
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of ${file}: a build only reads a repository`, notes);
      }
      return pending(`${file} of ${group} from ${placed.repository.id}`, placed, notes);
    },
    async vouchedDigests(_request, placed, context) {
      const vouchers = await findVouchers(placed, context);
      return vouchers.map(({ digest, link }) => ({ digests: [digest], vouchedBy: link }));
    },
    async inspectArtifact(artifact, placed, context) {
      if (!placed) return undefined;
      const { file } = placed.resource;
      const known = await findVouchers(placed, context);
      const vouchers = known.length > 0 ? known : await fetchVouchers(placed, context);
      const [strongest] = vouchers;
      if (!strongest) return notVouched(placed);
      const same = vouchers.filter(({ digest }) => digest.algorithm === strongest.digest.algorithm);
      const voucher = await firstMatching(artifact, same);
      if (!voucher) return mismatch(artifact, placed, strongest.digest);
      const signed = await checkSignature(artifact, placed, context);
      if (signed && 'fault' in signed) return rejected(`${file}: ${signed.fault}`);
      const content = await read(artifact, placed, context).catch(asFault);
      if (typeof content === 'string') return rejected(`${file}: ${content}`);
      const { algorithm } = voucher.digest;
      return approved(`${algorithm} of ${file} as the repository gives it${signed ? ', signed' : ''}`, {
        metadata: content.metadata,
        vouchedBy: [voucher.link, ...(signed ? [signed.link] : [])],
        provides: content.provides,
        annotations: {
          integrity: algorithm,
          ...(algorithm === 'sha1' && { 'weak-integrity': true }),
          ...content.annotations,
        },
      });
    },
  };
}

/** Poms of the parents that the session has seen, nearest first. */
async function parentsOf(
  model: ProjectModel,
  repository: MavenRepository,
  context: InspectionContext,
): Promise<ProjectModel[]> {
  const parents: ProjectModel[] = [];
  for (let next = model.parent; next && parents.length < 8; ) {
    const found = (await context.catalogs<ProjectModel>(pomScope(repository.id, next))).at(-1)?.value;
    if (!found) break;
    parents.push(found);
    next = found.parent;
  }
  return parents;
}

async function firstMatching(artifact: ArtifactView, vouchers: readonly Voucher[]): Promise<Voucher | undefined> {
  for (const voucher of vouchers) {
    const { algorithm, hex } = voucher.digest;
    const found =
      algorithm === 'sha512' ? await artifact.digest('sha512') : artifact.digests[algorithm as keyof BodyDigests];
    if (found === hex) return voucher;
  }
  return undefined;
}

function asFault(error: unknown): string {
  const isFormat =
    error instanceof ArchiveError ||
    error instanceof XmlError ||
    error instanceof GradleModuleError ||
    error instanceof JsonProjectionError;
  if (!isFormat) throw error;
  return error.message;
}

async function mismatch(artifact: ArtifactView, { resource }: Placed, wanted: Digest): Promise<ArtifactInspection> {
  const found = await foundInstead(artifact, wanted);
  return rejected(`expected ${resource.file} with ${formatDigest(wanted)}, found ${found}`, {
    hint: 'the file differs from its checksum: do not use it, and tell whoever runs the repository or mirror',
  });
}

function notVouched({ repository, resource }: Placed): ArtifactInspection {
  return rejected(`${repository.id} has no checksum of ${resource.file} that counts (sha1 or stronger)`, {
    hint: 'pin the file under generic.files in inspectors.yaml',
  });
}

function wrong(wanted: Coordinates, { group, artifact, version }: Coordinates): string {
  return `expected ${coordinatesOf(wanted)}, found ${JSON.stringify(`${group}:${artifact}:${version}`.slice(0, 300))}`;
}

function coordinatesOf({ group, artifact, version }: Coordinates): string {
  return `${group}:${artifact}:${version}`;
}

async function bytesOf(artifact: ArtifactView): Promise<Buffer> {
  return buffer(artifact.openRaw());
}
