import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { CommandContext, CommandResult } from '../commands/command.js';
import { errorDocument, errorLines, exitCodeOf, exitCodes } from '../output/describe-error.js';
import { version } from '../version.js';

/** What the program is run with. */
export interface ProgramContext extends CommandContext {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

// biome-ignore lint/suspicious/noExplicitAny: commander hands over what its declarations say
type Taken = any;

/** `artifact-cache`. The result goes to standard output, everything else to standard error. Resolves to the exit code. */
export async function runArtifactCache(args: readonly string[], context: ProgramContext): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = new Command('artifact-cache')
    .description('Shares build outputs by cache key: a server, and the commands that look after it.')
    .version(`artifact-cache ${version}`, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError('Run artifact-cache --help, or artifact-cache COMMAND --help.')
    .configureHelp({ helpWidth: 79 })
    .configureOutput({ writeOut: context.out, writeErr: context.err })
    .exitOverride()
    .addHelpText('after', afterHelp);

  /** A command whose result is shown; loaded when it is run, so that help answers at once. */
  const add = (parent: Command, name: string, summary: string, run: (...taken: Taken[]) => Promise<CommandResult>) =>
    parent
      .command(name)
      .description(summary)
      .option('--config <file>', 'configuration file (ARTIFACT_CACHE_CONFIG)')
      .addOption(new Option('--format <format>', 'how the result is written').choices(['text', 'json']).default('text'))
      .allowExcessArguments(false)
      .action(async (...given: Taken[]) => {
        const options = given.at(-2) as { readonly format: string };
        exitCode = await show(context, options.format, () => run(...given.slice(0, -1)));
      });
  addCommands(program, context, add);
  program
    .command('serve')
    .description('serve until a signal says stop')
    .option('--config <file>', 'configuration file (ARTIFACT_CACHE_CONFIG)')
    .allowExcessArguments(false)
    .action(async ({ config }: { config?: string }) => {
      exitCode = await (await import('./serve-command.js')).serveCommand(config, context);
    });
  program
    .command('receive <repository>')
    .description("one push over ssh: sshd's forced command; REPOSITORY is what init made")
    .option('--key <fingerprint>', 'key of the log-in')
    .option('--principal <name>', 'who pushes, where something else than a key says so')
    .option('--verbose', 'say on standard error what happens')
    .action(async (repository: string, flags: Taken) => {
      exitCode = await (await import('./receive-command.js')).receiveCommand(repository, flags, context);
    });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    context.err(`${errorLines(error).join('\n')}\n`);
    return exitCodeOf(error);
  }
}

type Add = (
  parent: Command,
  name: string,
  summary: string,
  run: (...taken: Taken[]) => Promise<CommandResult>,
) => Command;

function addCommands(program: Command, context: CommandContext, add: Add): void {
  add(program, 'init <directory>', 'make a directory with configuration and index', async (directory: string) =>
    (await import('../commands/init.js')).init(context, directory),
  );
  add(program, 'check', 'look at the configuration without starting anything', async ({ config }: Taken) =>
    (await import('../commands/check-config.js')).checkConfig(context, config),
  );
  const tokens = program.command('token').description('tokens, for https and gRPC');
  granting(
    add(tokens, 'create <name>', 'make a token and show it once', async (name: string, options: Taken) =>
      (await import('../commands/tokens.js')).createToken(context, name, options),
    ),
  );
  add(tokens, 'list', 'who has a token', async ({ config }: Taken) =>
    (await import('../commands/tokens.js')).listPrincipals(context, config, ['token']),
  );
  add(tokens, 'revoke <name>', 'end a token, at once', async (name: string, { config }: Taken) =>
    (await import('../commands/tokens.js')).removePrincipal(context, config, name, ['token']),
  );
  const keys = program.command('keys').description('ssh public keys and client certificates');
  granting(
    add(
      keys,
      'add <name> [key]',
      'let a key push: a file, the key itself, or - for standard input',
      async (name: string, key: string | undefined, options: Taken) =>
        (await import('../commands/keys.js')).addKey(context, name, key, options),
    ),
  ).option('--certificate <file>', 'a client certificate (PEM) instead of an ssh key');
  add(keys, 'list', 'whose keys are known', async ({ config }: Taken) =>
    (await import('../commands/tokens.js')).listPrincipals(context, config, ['ssh-key', 'certificate', 'oidc']),
  );
  add(keys, 'remove <name>', 'end what a key may do, at once', async (name: string, { config }: Taken) =>
    (await import('../commands/tokens.js')).removePrincipal(context, config, name, ['ssh-key', 'certificate', 'oidc']),
  );
  add(
    keys,
    'authorized [fingerprint]',
    'lines for authorized_keys; with a fingerprint for AuthorizedKeysCommand (%f)',
    async (fingerprint: string | undefined, { config }: Taken) =>
      (await import('../commands/keys.js')).authorizedKeys(context, config, fingerprint),
  );
  add(program, 'gc', 'remove what is expired, unused or too much', async (options: Taken) =>
    (await import('../commands/maintenance.js')).collect(context, options),
  ).option('--dry-run', 'only say what would go');
  add(program, 'fsck', 'look for damage', async (options: Taken) =>
    (await import('../commands/maintenance.js')).check(context, options),
  )
    .option('--verify', 'read every byte')
    .option('--repair', 'remove names that cannot be served');
  add(program, 'stats', 'how full the namespaces are', async (options: Taken) =>
    (await import('../commands/maintenance.js')).statistics(context, options),
  );
  add(program, 'audit', 'what writers did, newest first', async (options: Taken) =>
    (await import('../commands/maintenance.js')).auditLog(context, options),
  )
    .option('--namespace <name>', 'only there')
    .option('--principal <name>', 'only by them')
    .option('--limit <number>', 'most records', positive, 50);
}

function granting(command: Command): Command {
  return command
    .option(
      '--grant <namespace=right>',
      'right (read, write, admin) in a namespace, NAME/* or *; repeat it',
      append,
      [],
    )
    .option('--expires <duration>', 'ends by itself, e.g. 90d')
    .option('--comment <text>', 'for the list');
}

async function show(context: ProgramContext, format: string, run: () => Promise<CommandResult>): Promise<number> {
  const isJson = format === 'json';
  const print = (value: object) => context.out(`${JSON.stringify(value, undefined, 2)}\n`);
  try {
    const { lines, value, problem } = await run();
    const errors = problem ? [problem] : [];
    if (isJson) print({ ok: !problem, ...(value as object), errors: errors.map(errorDocument) });
    else if (lines.length > 0) context.out(`${lines.join('\n')}\n`);
    for (const error of errors) context.err(`${errorLines(error).join('\n')}\n`);
    return problem ? exitCodeOf(problem) : exitCodes.done;
  } catch (error) {
    if (isJson) print({ ok: false, errors: [errorDocument(error)] });
    context.err(`${errorLines(error).join('\n')}\n`);
    return exitCodeOf(error);
  }
}

function append(value: string, all: readonly string[]): string[] {
  return [...all, value];
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= 100_000) return value;
  throw new InvalidArgumentError('expected a number from 1 to 100000');
}

const afterHelp = `
Exit codes:
  0 done · 1 failed · 64 usage · 70 a bug

Examples:
  artifact-cache init /srv/cache
  artifact-cache token create ci --grant main=write --config /srv/cache/config.yaml
  artifact-cache serve --config /srv/cache/config.yaml

Commands work while a server runs. More: docs/artifact-cache/README.md
`;
