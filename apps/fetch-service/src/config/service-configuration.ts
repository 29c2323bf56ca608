import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AclConfig, InspectorsConfig } from '@waybill/contracts';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { writeAtomically } from '../files/write-atomically.js';
import { readAclText } from './acl-config.js';
import { type Finding, findingLines } from './finding.js';
import { readInspectorsText } from './inspectors-config.js';
import { createMergedConfigurations } from './merged-configurations.js';

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
  /** Reads a file again that another process has written. @throws FetchServiceError FETCH_CONFIG_INVALID */
  reload(type: ConfigType): Promise<void>;
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
  const merged = createMergedConfigurations();
  let inspectors = accept(await readInspectorsText(inspectorsText), inspectorsFile, warnings);
  let acl = aclText === undefined ? undefined : accept(readAclText(aclText), aclFile, warnings);

  /** Validates a text; what is returned makes it current. @param text undefined = there is no file */
  async function prepare(type: ConfigType, text: string | undefined, name: string): Promise<() => void> {
    const found: string[] = [];
    const take = (change: () => void) => () => {
      change();
      warnings.splice(0, warnings.length, ...found);
      onUpdate(type);
    };
    if (type === 'acl') {
      const next = text === undefined ? undefined : accept(readAclText(text), name, found);
      return take(() => {
        acl = next;
      });
    }
    const next = accept(await readInspectorsText(text ?? ''), name, found);
    return take(() => {
      inspectors = next;
    });
  }

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
    forSession: (sections) => merged.of(inspectors, sections),
    async update(type, text, { validateOnly = false } = {}) {
      const name = configFiles[type];
      const apply = await prepare(type, text, name);
      if (validateOnly) return;
      await store(join(directory, name), text);
      apply();
    },
    async reload(type) {
      const file = join(directory, configFiles[type]);
      const text = await readOptional(file);
      if (text === undefined && type === 'inspectors') throw missing(file);
      const apply = await prepare(type, text, file);
      apply();
    },
  };
}

function accept<Config>(
  checked: { readonly config: Config | undefined; readonly findings: readonly Finding[] },
  file: string,
  warnings: string[],
): Config {
  if (checked.config === undefined) {
    const errors = checked.findings.filter(({ severity }) => severity === 'error');
    throw new FetchServiceError('FETCH_CONFIG_INVALID', findingLines(errors, file).join('\n'), {
      hint: `check it with: fetch-service config check ${file}`,
    });
  }
  warnings.push(...findingLines(checked.findings, file));
  return checked.config;
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
