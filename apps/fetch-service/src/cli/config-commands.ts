import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { readAclText } from '../config/acl-config.js';
import { type Finding, formatFinding } from '../config/finding.js';
import { readInspectorsText } from '../config/inspectors-config.js';
import { type ConfigType, configFiles } from '../config/service-configuration.js';
import { type Client, clients, createConfiguration, writeConfiguration } from '../config-init/init.js';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { readInput } from '../files/read-input.js';

/** Where commands write. */
export interface CommandOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** `config init` and `config check`. */
export function addConfigCommands(program: Command, output: CommandOutput): void {
  const config = program.command('config').description('make and check configuration files').helpGroup('Commands:');
  config
    .command('init')
    .description(
      'Write inspectors.yaml (and an acl.yaml, unless there is one) from what the package managers on this machine are configured to use. Only where one does not tell, one small document of its origin is fetched.',
    )
    .option('--output <dir>', 'directory to write to, - for standard output', '/etc/fetch')
    .option('--force', 'overwrite existing files')
    .option(
      '--git-url <url>',
      'allow this repository, or everything below this URL; may be repeated',
      (value: string, list: string[] = []) => [...list, value],
    )
    .addHelpText(
      'after',
      '\nExamples:\n  fetch-service config init --output=-\n  fetch-service config init --output=conf --npm --git-url=https://git.example/team/\n',
    )
    .action((options) => init(options, output));
  for (const client of clients) {
    config.commands[0]?.option(`--${client}`, `only ${client} (and other clients named)`);
  }
  config
    .command('check')
    .description('Check a configuration file, or both files of a directory. Exit code 1 when it cannot be used.')
    .argument('<file>', 'inspectors.yaml, acl.yaml, a directory with them, or - for standard input')
    .addOption(
      new Option('--type <type>', 'what the file is (default: told by its name or content)').choices(
        Object.keys(configFiles),
      ),
    )
    .action((file: string, options: { type?: ConfigType }) => check(file, options.type, output));
}

interface InitFlags extends Readonly<Partial<Record<Client, boolean>>> {
  readonly output: string;
  readonly force?: boolean;
  readonly gitUrl?: readonly string[];
}

async function init(flags: InitFlags, { out, err }: CommandOutput): Promise<void> {
  const result = await createConfiguration({
    clients: clients.filter((client) => flags[client]),
    gitUrls: flags.gitUrl ?? [],
  });
  if (flags.output === '-') {
    out(result.inspectors);
    for (const note of result.notes) err(`note: ${note}\n`);
    return;
  }
  const directory = resolve(flags.output);
  const written = await writeConfiguration(directory, result, flags.force ?? false);
  for (const note of result.notes) out(`note: ${note}\n`);
  out(
    `${result.summary}\n${written.map((file) => `wrote ${file}\n`).join('')}next: fetch-service --config=${directory}\n`,
  );
}

async function check(file: string, type: ConfigType | undefined, { out }: CommandOutput): Promise<void> {
  const isDirectory =
    file !== '-' &&
    (await stat(file).then(
      (found) => found.isDirectory(),
      () => false,
    ));
  const files = isDirectory ? Object.values(configFiles).map((name) => join(file, name)) : [file];
  const faults: string[] = [];
  for (const path of files) {
    const text = await readText(path, isDirectory && basename(path) === configFiles.acl);
    if (text === undefined) continue;
    const findings = await findingsOf(text, type ?? typeOf(path, text));
    for (const finding of findings.filter(({ severity }) => severity === 'warning'))
      out(`${formatFinding(finding, path)}\n`);
    const errors = findings
      .filter(({ severity }) => severity === 'error')
      .map((finding) => formatFinding(finding, path));
    faults.push(...errors);
    if (errors.length === 0) out(`${path}: valid\n`);
  }
  if (faults.length > 0) throw new FetchServiceError('FETCH_CONFIG_INVALID', faults.join('\n'));
}

async function findingsOf(text: string, type: ConfigType): Promise<readonly Finding[]> {
  return (type === 'acl' ? readAclText(text) : await readInspectorsText(text)).findings;
}

function typeOf(path: string, text: string): ConfigType {
  if (basename(path).startsWith('acl')) return 'acl';
  return /^\s*["']?http-proxy["']?\s*:/m.test(text) ? 'acl' : 'inspectors';
}

async function readText(path: string, isOptional: boolean): Promise<string | undefined> {
  try {
    return await readInput(path);
  } catch (cause) {
    if (isOptional && systemCode(cause) === 'ENOENT') return undefined;
    throw new FetchServiceError('FETCH_CONFIG_INVALID', `${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
