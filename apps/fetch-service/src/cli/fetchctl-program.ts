import { resolve } from 'node:path';
import type { SocketRequest } from '@waybill/contracts';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { FetchServiceError, messageOf } from '../errors.js';
import { readInput } from '../files/read-input.js';
import { collectRemotely, describeGc } from '../gc/gc-operation.js';
import { askDaemon } from '../socket/socket-client.js';
import { defaultSocketPath } from '../socket/socket-path.js';
import { version } from '../version.js';
import type { CommandOutput } from './config-commands.js';
import { addEnvCommand } from './env-command.js';
import { reportFailure } from './failure.js';
import { defaultSpool } from './serve-command.js';

/** `fetchctl`: speaks to the daemon on this machine through its control socket. specs/fetch-service.md §6.4 */
export async function runFetchctl(
  args: readonly string[],
  output: CommandOutput,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  const program = new Command('fetchctl')
    .description('Controls the fetch-service on this machine through its local socket.')
    .version(version, '--version', 'show the version of this program')
    .helpCommand(false)
    .option('--socket <path>', 'socket of the daemon (default: fetchctl.socket in the temporary directory)')
    .addHelpText('after', help)
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err });
  const ask = async (request: SocketRequest) => {
    const { socket } = program.opts<{ socket?: string }>();
    const reply = await askDaemon(socket ?? defaultSocketPath(), request, { isChosen: socket !== undefined });
    if (reply.result === 'error') throw new FetchServiceError('FETCH_REQUEST_INVALID', reply.message);
    return reply.message;
  };
  addCommands(program, async (request) => output.out(`${await ask(request)}\n`));
  program
    .command('gc')
    .description('remove sessions that ended too long ago, and bodies that nobody needs')
    .option('--dry-run', 'only say what would be removed', false)
    .action(async ({ dryRun }: { readonly dryRun: boolean }) => {
      const collectSome = () => ask({ operation: 'gc', 'validate-only': dryRun });
      output.out(`${describeGc(await collectRemotely(collectSome, dryRun), dryRun)}\n`);
    });
  addEnvCommand(program, output, environment);
  addBackup(program, output, environment);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : 1;
    return reportFailure(cause, output);
  }
}

const help = `
Examples:
  fetchctl update-config --type inspectors --validate-only inspectors.yaml
  cat cert.pem blank-line key.pem | fetchctl update-cert -
  fetchctl create-session --timeout 600 sections.yaml
  eval "$(fetchctl create-session | fetchctl env - --dir clients)"
  fetchctl backup --spool=/var/lib/fetch /backup/$(date +%F)
`;

function addCommands(program: Command, send: (request: SocketRequest) => Promise<void>): void {
  program
    .command('version')
    .description('show the version of the daemon')
    .action(() => send({ operation: 'version' }));
  program
    .command('update-config')
    .description('replace the access list, or the configuration that new sessions get')
    .addOption(new Option('--type <type>', 'which').choices(['acl', 'inspectors']).makeOptionMandatory())
    .option('--validate-only', 'change nothing', false)
    .argument('<file>', 'YAML, - for standard input')
    .action(async (file: string, options: { type: string; validateOnly: boolean }) =>
      send({
        operation: 'update-config',
        type: options.type,
        'validate-only': options.validateOnly,
        payload: await read(file),
      }),
    );
  program
    .command('update-cert')
    .description('replace the root certificate and its key')
    .option('--validate-only', 'change nothing', false)
    .argument('<file>', 'certificate, an empty line and its key, PEM; - for standard input')
    .action(async (file: string, options: { validateOnly: boolean }) =>
      send({ operation: 'update-cert', 'validate-only': options.validateOnly, payload: await read(file) }),
    );
  program
    .command('restart')
    .description('replace the processes of the daemon one after the other; what runs in the old ones is finished there')
    .action(() => send({ operation: 'restart' }));
  program
    .command('create-session')
    .description('create a session and show its id and token')
    .option('--session-id <id>', 'wished id; another is taken when it is in use')
    .option('--token <token>', 'wished token')
    .option('--timeout <seconds>', 'absolute life of the session', seconds)
    .option('--permissive', 'policy permissive instead of strict', false)
    .argument('[file]', "sections of inspectors.yaml that replace the service's, YAML; - for standard input")
    .action(async (file: string | undefined, options: CreateFlags) =>
      send({ operation: 'create-session', payload: JSON.stringify(await sessionPayload(file, options)) }),
    );
  program
    .command('list-artifacts')
    .description('list what a session downloaded, as JSON')
    .requiredOption('--session-id <id>', 'session')
    .action((options: { sessionId: string }) => send({ operation: 'list-artifacts', payload: options.sessionId }));
}

/** Works on the files, with a daemon or without one. */
function addBackup(
  program: Command,
  output: CommandOutput,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  program
    .command('backup')
    .description('copy the spool with its SQLite database while the daemon works; the copy can be used as a spool')
    .option('--spool <dir>', 'spool of the daemon', defaultSpool(environment))
    .option('--database <url>', 'postgres://… of the daemon: copies only bodies, after pg_dump (also: DATABASE_URL)')
    .argument('<dir>', 'directory to make; it will hold the CA key, and whatever builds downloaded')
    .action(async (directory: string, { spool, database }: { spool: string; database?: string }) => {
      const { backUp } = await import('../backup/back-up.js');
      const databaseUrl = database ?? (environment.DATABASE_URL || undefined);
      const options = { spoolRoot: resolve(spool), target: resolve(directory), databaseUrl };
      const { sessions, bodies, bytes, deleted } = await backUp(options);
      const left = deleted > 0 ? `; ${deleted} sessions that were deleted meanwhile are not in it` : '';
      output.out(`copied ${sessions} sessions with ${bodies} bodies (${bytes} bytes) to ${directory}${left}\n`);
    });
}

interface CreateFlags {
  readonly sessionId?: string;
  readonly token?: string;
  readonly timeout?: number;
  readonly permissive: boolean;
}

async function sessionPayload(file: string | undefined, flags: CreateFlags): Promise<Record<string, unknown>> {
  return {
    'session-id': flags.sessionId,
    token: flags.token,
    timeout: flags.timeout,
    mode: flags.permissive ? 'permissive' : 'strict',
    'inspectors-configuration': file === undefined ? undefined : Buffer.from(await read(file)).toString('base64'),
  };
}

async function read(file: string): Promise<string> {
  try {
    return await readInput(file);
  } catch (cause) {
    throw new FetchServiceError('FETCH_OPTION_INVALID', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function seconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a number of seconds');
  return Number(text);
}
