import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AclConfig, InspectorsConfig } from '@waybill/contracts';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { writeAtomically } from '../files/write-atomically.js';
import { readAclText } from './acl-config.js';
import { type Finding, formatFinding } from './finding.js';
import { readInspectorsText, readInspectorsValue } from './inspectors-config.js';

/** The two files of a configuration directory. */
export const configFiles = { inspectors: 'inspectors.yaml', acl: 'acl.yaml' } as const;
export type ConfigType = keyof typeof configFiles;

/** What new sessions get, and the access list of all. Changes at run time through {@link ServiceConfiguration.update}. */
export interface ServiceConfiguration {
  readonly directory: string;
  readonly inspectors: InspectorsConfig;
  readonly acl: AclConfig | undefined;
  /** Findings of the last load or update that are no errors, one line each. */
  readonly warnings: readonly string[];
  /**
   * The configuration of one session: a section that `sections` names replaces the service's, others are inherited.
   * @throws FetchServiceError FETCH_REQUEST_INVALID
   */
  forSession(sections?: unknown): Promise<InspectorsConfig>;
  /**
   * Validates a text and, unless `validateOnly`, makes it current and writes its file.
   * @throws FetchServiceError FETCH_CONFIG_INVALID, FETCH_CONFIG_UNWRITABLE
   */
  update(type: ConfigType, text: string, options?: { readonly validateOnly?: boolean }): Promise<void>;
}

/**
 * Reads a configuration directory: `inspectors.yaml` must exist, `acl.yaml` may.
 * @param onUpdate called after each update that took effect
 * @throws FetchServiceError FETCH_CONFIG_MISSING, FETCH_CONFIG_INVALID
 */
export async function loadServiceConfiguration(
  directory: string,
  onUpdate: (type: ConfigType) => void = () => {},
): Promise<ServiceConfiguration> {
  const inspectorsFile = join(directory, configFiles.inspectors);
  const inspectorsText = await readOptional(inspectorsFile);
  if (inspectorsText === undefined) throw missing(inspectorsFile);
  const aclFile = join(directory, configFiles.acl);
  const aclText = await readOptional(aclFile);
  const warnings: string[] = [];
  let inspectors = accept(await readInspectorsText(inspectorsText), inspectorsFile, warnings);
  let acl = aclText === undefined ? undefined : accept(readAclText(aclText), aclFile, warnings);
  return {
    directory,
    get inspectors() {
      return inspectors;
    },
    get acl() {
      return acl;
    },
    get warnings() {
      return warnings;
    },
    forSession: (sections) => mergeSections(inspectors, sections),
    async update(type, text, { validateOnly = false } = {}) {
      const name = configFiles[type];
      const found: string[] = [];
      const next =
        type === 'acl'
          ? { type: 'acl' as const, config: accept(readAclText(text), name, found) }
          : { type: 'inspectors' as const, config: accept(await readInspectorsText(text), name, found) };
      if (validateOnly) return;
      await store(join(directory, name), text);
      if (next.type === 'acl') acl = next.config;
      else inspectors = next.config;
      warnings.splice(0, warnings.length, ...found);
      onUpdate(type);
    },
  };
}

/** Whole sections replace; `null` counts as absent, as older callers send it. */
async function mergeSections(base: InspectorsConfig, sections: unknown): Promise<InspectorsConfig> {
  if (sections === undefined || sections === null) return base;
  if (typeof sections !== 'object' || Array.isArray(sections)) {
    throw new FetchServiceError('FETCH_REQUEST_INVALID', 'inspectors-configuration: expected an object of sections');
  }
  const present = Object.fromEntries(Object.entries(sections).filter(([, section]) => section !== null));
  const { config, findings } = await readInspectorsValue(present);
  if (!config)
    throw new FetchServiceError('FETCH_REQUEST_INVALID', lines(findings, 'inspectors-configuration').join('\n'));
  return { ...base, ...config };
}

function accept<Config>(
  checked: { readonly config: Config | undefined; readonly findings: readonly Finding[] },
  file: string,
  warnings: string[],
): Config {
  if (checked.config === undefined) {
    const errors = checked.findings.filter(({ severity }) => severity === 'error');
    throw new FetchServiceError('FETCH_CONFIG_INVALID', lines(errors, file).join('\n'), {
      hint: `check it with: fetch-service config check ${file}`,
    });
  }
  warnings.push(...lines(checked.findings, file));
  return checked.config;
}

function lines(findings: readonly Finding[], name: string): string[] {
  return findings.filter((finding) => finding.message).map((finding) => formatFinding(finding, name));
}

function missing(file: string): FetchServiceError {
  return new FetchServiceError(
    'FETCH_CONFIG_MISSING',
    `${file} does not exist, and without it no download can be approved`,
    {
      hint: 'write one from what npm, apt and git on this machine use: fetch-service config init --output DIR, then start with --config=DIR',
    },
  );
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT' || systemCode(cause) === 'ENOTDIR') return undefined;
    throw new FetchServiceError('FETCH_CONFIG_INVALID', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

async function store(file: string, text: string): Promise<void> {
  try {
    await writeAtomically(file, text.endsWith('\n') ? text : `${text}\n`, 0o644);
  } catch (cause) {
    throw new FetchServiceError('FETCH_CONFIG_UNWRITABLE', `${file} cannot be written: ${messageOf(cause)}`, {
      hint: 'nothing was changed; make the configuration directory writable for the user of the daemon',
      cause,
    });
  }
}
