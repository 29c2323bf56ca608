import type { AptRepository, InspectorsConfig } from '@waybill/contracts';
import { compileUrlGlob, type UrlGlob } from '@waybill/policy';
import { type KeyRing, readKeyRing } from './key-ring.js';

/** A configured repository, ready to match. */
export interface Repository {
  /** Key in the configuration, shown as `cfg-name`. */
  readonly name: string;
  readonly allowExpired: boolean;
  /**
   * Whether the configuration allows this base URL (before `/dists/` or `/pool/`, normalised, no slash at the end). Patterns
   * may describe the base, with or without the slash, or whole URLs below it.
   */
  allowsBase(base: string, normalizedUrl: string): boolean;
  /** A suite as a source line names it; one with a slash at its end is a flat repository's directory. */
  allowsSuite(suite: string): boolean;
  /** Directories below the base with a release and indexes side by side, as configured: `./`, `/`, `stable/`. */
  readonly flatSuites: readonly string[];
  allowsComponent(component: string): boolean;
  /** What its indexes are kept under: the base URL, or the alias that several mirrors share. */
  originOf(base: string): string;
  /** Read when a signature is first checked, then kept. */
  keys(): Promise<KeyRing>;
}

/**
 * The configuration's `apt.repositories` in their order; empty when the section is absent, which allows nothing.
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function compileRepositories(config: InspectorsConfig): readonly Repository[] {
  return Object.entries(config.apt?.repositories ?? {}).map(([name, repository]) => compile(name, repository));
}

/** Keys of the configuration that cannot be read, one text per problem: for `config check`, so that a build need not fail first. */
export async function aptKeyProblems(config: InspectorsConfig): Promise<readonly string[]> {
  const found: string[] = [];
  for (const repository of compileRepositories(config)) {
    const { problems } = await repository.keys();
    found.push(...problems.map((problem) => `apt.repositories.${repository.name}: ${problem}`));
  }
  return found;
}

function compile(name: string, repository: AptRepository): Repository {
  const urls = repository.urls.map(compileUrlGlob);
  const flatSuites = repository.suites.filter(isFlatSuite);
  const suites = repository.suites.filter((suite) => !isFlatSuite(suite)).map(compileUrlGlob);
  const components = repository.components.map(compileUrlGlob);
  const alias = repository['base-url-alias'];
  let keys: Promise<KeyRing> | undefined;
  return {
    name,
    allowExpired: repository['allow-expired'],
    allowsBase: (base, url) => matchesAny(urls, base) || matchesAny(urls, `${base}/`) || matchesAny(urls, url),
    flatSuites,
    allowsSuite: (suite) => (isFlatSuite(suite) ? flatSuites.includes(suite) : matchesAny(suites, suite)),
    allowsComponent: (component) => matchesAny(components, component),
    originOf: (base) => alias ?? base,
    keys() {
      keys ??= readKeyRing(repository['public-key']);
      return keys;
    },
  };
}

/** Source lines end the directory of a flat repository with a slash; nothing else tells it from a suite. sources.list(5) */
export function isFlatSuite(suite: string): boolean {
  return suite.endsWith('/');
}

/** Segments of a flat repository's directory below its base. */
export function flatSegments(suite: string): readonly string[] {
  return suite.split('/').filter((segment) => segment !== '' && segment !== '.');
}

function matchesAny(globs: readonly UrlGlob[], text: string): boolean {
  return globs.some((glob) => glob.matches(text));
}
