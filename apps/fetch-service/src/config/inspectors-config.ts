import { type InspectorsConfig, inspectorsConfigSchema } from '@waybill/contracts';
import { aptKeyProblems, lockFileProblems, npmKeyProblems } from '@waybill/inspectors';
import { compileUrlGlob, PolicyError, urlGlobWarning } from '@waybill/policy';
import { messageOf } from '../errors.js';
import { publicKeyFault } from '../openpgp/armor.js';
import { type Finding, formatPath } from './finding.js';
import { findingsOf, type Place, readYaml } from './yaml-text.js';

/** A configuration with what is to be said about it; `config` is undefined when a finding is an error. */
export interface CheckedConfig<Config> {
  readonly config: Config | undefined;
  readonly findings: readonly Finding[];
}

/** Names of the sections that `inspectors.yaml` knows. */
const sectionNames = Object.keys(inspectorsConfigSchema.shape);

/** Tells which keys of `apt.repositories` cannot be used, one text each that begins with the repository's path. */
export type KeyProblems = (config: InspectorsConfig) => Promise<readonly string[]>;

/** Reads the text of an `inspectors.yaml`: syntax, keys and types, then globs and OpenPGP keys, all faults at once. */
export async function readInspectorsText(
  text: string,
  keyProblems: KeyProblems = aptKeyProblems,
): Promise<CheckedConfig<InspectorsConfig>> {
  const read = readYaml(text, inspectorsConfigSchema);
  if ('findings' in read) return { config: undefined, findings: read.findings.map(withSuggestion) };
  return checked(read.value, read.place, keyProblems);
}

/** The same for a value that came as JSON; findings have no line. */
export async function readInspectorsValue(
  value: unknown,
  keyProblems: KeyProblems = aptKeyProblems,
): Promise<CheckedConfig<InspectorsConfig>> {
  const parsed = inspectorsConfigSchema.safeParse(value);
  if (!parsed.success) return { config: undefined, findings: findingsOf(parsed.error).map(withSuggestion) };
  return checked(parsed.data, () => ({}), keyProblems);
}

type PlaceOf = (path: readonly PropertyKey[]) => Place;

async function checked(
  config: InspectorsConfig,
  place: PlaceOf,
  keyProblems: KeyProblems,
): Promise<CheckedConfig<InspectorsConfig>> {
  const found = checkValues(config, place);
  const isBad = (findings: readonly Finding[]) => findings.some(({ severity }) => severity === 'error');
  // Read by the library that will use the keys; what is checked before only knows their envelope.
  const findings = isBad(found) ? found : [...found, ...keyFindings(config, await keyProblems(config), place)];
  return { config: isBad(findings) ? undefined : config, findings };
}

function keyFindings(config: InspectorsConfig, problems: readonly string[], place: PlaceOf): Finding[] {
  const names = Object.keys(config.apt?.repositories ?? {}).sort((a, b) => b.length - a.length);
  return problems.map((problem) => {
    const name = names.find((candidate) => problem.startsWith(`apt.repositories.${candidate}: `));
    if (name === undefined) return { severity: 'error', path: '', message: problem };
    const path = ['apt', 'repositories', name, 'public-key'];
    const message = problem.slice(`apt.repositories.${name}: `.length);
    return { severity: 'error', path: formatPath(path), message, ...place(path) };
  });
}

/** What types cannot say: every glob compiles, every key can be read. */
function checkValues(config: InspectorsConfig, place: (path: readonly PropertyKey[]) => Place): Finding[] {
  const findings: Finding[] = [];
  const say = (severity: Finding['severity'], path: readonly PropertyKey[], message: string) =>
    findings.push({ severity, path: formatPath(path), message, ...place(path) });
  for (const { path, glob, isUrl } of globsOf(config)) {
    try {
      compileUrlGlob(glob);
      const warning = isUrl ? urlGlobWarning(glob) : undefined;
      if (warning) say('warning', path, warning);
    } catch (cause) {
      if (!(cause instanceof PolicyError)) throw cause;
      say('error', path, [messageOf(cause), cause.hint].filter(Boolean).join('; '));
    }
  }
  for (const { registry, message } of npmKeyProblems(config)) {
    say('error', ['npm', 'registries', registry, 'keys'], message);
  }
  for (const { index, message } of lockFileProblems(config)) say('error', ['lock-files', index, 'content'], message);
  for (const [index, list] of (config.generic?.checksums ?? []).entries()) {
    const armored = list['public-key'];
    const fault = armored === undefined ? undefined : publicKeyFault(armored);
    if (fault) say('error', ['generic', 'checksums', index, 'public-key'], fault);
  }
  for (const [name, repository] of Object.entries(config.apt?.repositories ?? {})) {
    const fault = publicKeyFault(repository['public-key']);
    if (fault) say('error', ['apt', 'repositories', name, 'public-key'], fault);
  }
  return findings;
}

interface FoundGlob {
  readonly path: readonly PropertyKey[];
  readonly glob: string;
  readonly isUrl: boolean;
}

function* globsOf(config: InspectorsConfig): Generator<FoundGlob> {
  yield* list(['git', 'lfs'], config.git?.lfs ?? [], true);
  for (const section of ['git', 'crafts', 'chisel', 'store', 'bldbin'] as const) {
    yield* list([section, 'urls'], config[section]?.urls ?? [], true);
  }
  yield* list(['snap', 'downloads'], config.snap?.downloads ?? [], true);
  for (const [name, repository] of Object.entries(config.apt?.repositories ?? {})) {
    const at = ['apt', 'repositories', name];
    yield* list([...at, 'urls'], repository.urls, true);
    yield* list([...at, 'suites'], repository.suites, false);
    yield* list([...at, 'components'], repository.components, false);
  }
  for (const [name, registry] of Object.entries(config.npm?.registries ?? {})) {
    yield* list(['npm', 'registries', name, 'tarballs'], registry.tarballs, true);
  }
  for (const [index, rule] of (config.requests?.rules ?? []).entries()) {
    yield* list(['requests', 'rules', index, 'urls'], rule.urls, true);
  }
  for (const [index, { url, files = [] }] of (config.generic?.checksums ?? []).entries()) {
    yield { path: ['generic', 'checksums', index, 'url'], glob: url, isUrl: false };
    yield* list(['generic', 'checksums', index, 'files'], files, false);
  }
  for (const [index, file] of (config.generic?.files ?? []).entries()) {
    // An exact URL may stand without :443 here (both forms match), so only the glob is checked.
    yield { path: ['generic', 'files', index, 'url'], glob: file.url, isUrl: false };
  }
}

function* list(path: readonly PropertyKey[], globs: readonly string[], isUrl: boolean): Generator<FoundGlob> {
  for (const [index, glob] of globs.entries()) yield { path: [...path, index], glob, isUrl };
}

/** Names the sections when an unknown one was found: a misspelt section would otherwise just allow nothing. */
function withSuggestion(finding: Finding): Finding {
  if (finding.message !== 'unknown key' || finding.path.includes('.')) return finding;
  return { ...finding, message: `unknown section; known are ${sectionNames.join(', ')}` };
}
