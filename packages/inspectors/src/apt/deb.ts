import {
  type ArtifactMetadata,
  type ArtifactView,
  formatPurl,
  type InspectionContext,
  type JsonObject,
} from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { approved, rejected } from '../opinions.js';
import { parseAptUrl } from './apt-url.js';
import { readDeb } from './deb-archive.js';
import { checkDeb, claimDeb } from './deb-chain.js';
import { type DebFacts, debFacts, debFactsDerivation } from './deb-facts.js';
import type { FetchedIndexes } from './fetched-indexes.js';
import { FormatProblem } from './format-problem.js';
import type { PackageRecord } from './package-columns.js';
import type { DebTarget, ListedPackage } from './package-lists.js';
import type { Repository } from './repositories.js';

const debType = 'application/vnd.debian.binary-package';
const magic = '!<arch>\ndebian-binary';
/** Nobody vouches for these bytes; what they say only goes into the report. */
const unlistedLimits = { controlBytes: 4 * 2 ** 20, dataBytes: 64 * 2 ** 20 };

/** `deb`: Debian packages whose bytes a trusted Packages index lists and whose control file says the same. */
export function deb(repositories: readonly Repository[], fetched: FetchedIndexes): Inspector<DebTarget> {
  return {
    id: 'deb',
    inspectRequest(request) {
      return claimDeb(parseAptUrl(request, repositories));
    },
    async inspectArtifact(artifact, expected, context) {
      return expected ? inspectListed(expected, artifact, context, fetched) : inspectUnasked(artifact, context);
    },
  };
}

async function inspectListed(
  target: DebTarget,
  artifact: ArtifactView,
  context: InspectionContext,
  fetched: FetchedIndexes,
) {
  const check = await checkDeb(target, artifact, context, fetched);
  if (!check.ok) {
    // The report should say what it was that was refused.
    const facts = await tryRead(artifact, context);
    return rejected(check.reason, { annotations: check.annotations, metadata: facts && describe(facts) });
  }
  const { listed, reading } = check;
  const make = async () => debFacts(await readDeb(reading.open(), {}, context.signal));
  const archive = await context.derived(debFactsDerivation, listed.record.sha256, make).catch(keepProblem);
  if (archive instanceof FormatProblem) return rejected(`${listed.record.path} ${archive.message}`);
  const fault = disagreement(archive, listed.record);
  const metadata = describe(archive, listed);
  if (fault) return rejected(fault, { metadata });
  return approved(`${listed.record.name} ${listed.record.version} as listed in a trusted Packages index`, {
    metadata,
    annotations: annotate(archive),
    vouchedBy: [listed.link],
  });
}

/** Permissive sessions ask about everything: a package that nobody vouches for is named, and refused. */
async function inspectUnasked(artifact: ArtifactView, context: InspectionContext) {
  const archive = await tryRead(artifact, context);
  if (!archive) return undefined;
  return rejected('the package comes from no configured repository, so no trusted Packages index lists it', {
    metadata: describe(archive),
  });
}

async function tryRead(artifact: ArtifactView, context: InspectionContext): Promise<DebFacts | undefined> {
  const stream = artifact.open();
  try {
    for await (const chunk of stream) {
      if ((chunk as Buffer).toString('latin1', 0, magic.length) !== magic.slice(0, (chunk as Buffer).length))
        return undefined;
      break;
    }
    const archive = await readDeb(artifact.open(), unlistedLimits, context.signal).catch(keepProblem);
    return archive instanceof FormatProblem ? undefined : debFacts(archive);
  } finally {
    stream.destroy();
  }
}

function keepProblem(error: unknown): FormatProblem {
  if (error instanceof FormatProblem) return error;
  throw error;
}

/** What the package says of itself must be what its index says of it. */
function disagreement({ control }: DebFacts, record: PackageRecord): string | undefined {
  const pairs = [
    ['Package', control.package, record.name],
    ['Version', control.version, record.version],
    ['Architecture', control.architecture, record.architecture],
  ] as const;
  const fault = pairs.find(([, found, listed]) => found !== listed);
  return (
    fault &&
    `the package's control file has ${fault[0]} ${fault[1]}, the trusted Packages index lists ${fault[2]} for ${record.path}`
  );
}

function describe({ control, facts }: DebFacts, listed?: ListedPackage): Partial<ArtifactMetadata> {
  const field = (name: keyof DebFacts['control']) => control[name] ?? '';
  const [description = ''] = field('description').split('\n');
  // "Source: name (version)" when the source package's version differs.
  const source = (field('source').split('(', 1)[0] ?? '').trim() || field('package');
  return {
    type: debType,
    name: field('package'),
    version: field('version'),
    architecture: field('architecture'),
    vendor: field('maintainer'),
    description: description.charAt(0).toUpperCase() + description.slice(1),
    author: facts?.author ?? '',
    'author-email': facts?.authorEmail || undefined,
    license: facts?.license ?? '',
    copyright: facts?.copyright || undefined,
    'source-package': source,
    'apt-suite': listed?.suite,
    purl: purlOf(control, listed),
  };
}

function purlOf(control: DebFacts['control'], listed: ListedPackage | undefined): string {
  const namespace = (listed?.vendor ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9.+-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  const distro = listed?.codename;
  return formatPurl({
    type: 'deb',
    namespace: namespace || 'debian',
    name: control.package ?? '',
    version: control.version,
    qualifiers: { arch: control.architecture ?? '', ...(distro && { distro }) },
  });
}

function annotate({ facts, copyrightNote }: DebFacts): JsonObject {
  if (!facts) return { 'copyright-note': copyrightNote ?? '' };
  return { 'copyright-form': facts.form };
}
