import type { SocketRequest } from '@waybill/contracts';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { FetchServiceError, messageOf } from '../errors.js';
import { readInput } from '../files/read-input.js';
import { askDaemon } from '../socket/socket-client.js';
import { defaultSocketPath } from '../socket/socket-path.js';
import { version } from '../version.js';
import type { CommandOutput } from './config-commands.js';
import { reportFailure } from './failure.js';

/** `fetchctl`: speaks to the daemon on this machine through its control socket. specs/fetch-service.md §6.4 */
export async function runFetchctl(args: readonly string[], output: CommandOutput): Promise<number> {
  const program = new Command('fetchctl')
    .description('Controls the fetch-service on this machine through its local socket.')
    .version(version, '--version', 'show the version of this program')
    .helpCommand(false)
    .option('--socket <path>', 'socket of the daemon (default: fetchctl.socket in the temporary directory)')
    .addHelpText('after', help)
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err });
  const send = async (request: SocketRequest) => {
    const { socket } = program.opts<{ socket?: string }>();
    const reply = await askDaemon(socket ?? defaultSocketPath(), request, { isChosen: socket !== undefined });
    if (reply.result === 'error') throw new FetchServiceError('FETCH_REQUEST_INVALID', reply.message);
    output.out(`${reply.message}\n`);
  };
  addCommands(program, send);
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
