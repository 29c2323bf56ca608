import { Command, CommanderError } from 'commander';
import type { ServeOptions } from '../daemon/serve-options.js';
import { version } from '../version.js';
import { addConfigCommands, type CommandOutput } from './config-commands.js';
import { reportFailure } from './failure.js';
import { serveHelp } from './help.js';
import { addServeOptions, toServeOptions } from './serve-command.js';

/** What the program is run with. */
export interface ProgramContext extends CommandOutput {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Runs the daemon until it is stopped; resolves to the exit code. */
  readonly serve: (options: ServeOptions) => Promise<number>;
}

/** `fetch-service`: called as the earlier daemon is, or with a command. Resolves to the exit code. */
export async function runFetchService(args: readonly string[], context: ProgramContext): Promise<number> {
  let exitCode = 0;
  const program = new Command('fetch-service')
    .usage('[serve] [options]')
    .description(serveHelp.before)
    .version(version, '--version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .addHelpText('after', serveHelp.after)
    .showHelpAfterError('Options and examples: fetch-service --help')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: context.out, writeErr: context.err })
    .configureHelp({ visibleCommands: () => [], helpWidth: 110 });
  addServeOptions(program, context.environment).action(async (parsed) => {
    exitCode = await context.serve(toServeOptions(parsed, context.environment));
  });
  addConfigCommands(program, context);
  // `serve` is what happens without a command, so its options and help are the program's own.
  const [first, ...rest] = args;
  try {
    await program.parseAsync(first === 'serve' ? rest : [...args], { from: 'user' });
    return exitCode;
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : 1;
    return reportFailure(cause, context);
  }
}
