import type { PluginName } from '@waybill/contracts';
import type { LifecycleContext } from '../lifecycle/context.js';

/** Arguments with which a tool says its version; `--version` where nothing stands. */
const versionArguments: Readonly<Record<string, string>> = { go: 'version', java: '-version' };

const toolsOfPlugins: Readonly<Record<PluginName, readonly string[]>> = {
  nil: [],
  dump: [],
  make: ['make', 'cc', 'c++'],
  cmake: ['cmake', 'make', 'ninja', 'cc', 'c++'],
  autotools: ['autoconf', 'automake', 'make', 'cc', 'c++'],
  meson: ['meson', 'ninja', 'cc', 'c++'],
  npm: ['node', 'npm'],
  python: ['python3'],
  uv: ['uv', 'python3'],
  go: ['go', 'cc'],
  rust: ['cargo', 'rustc', 'cc'],
  maven: ['mvn', 'java'],
  gradle: ['gradle', 'java'],
};

/** Asks the build environment for versions, each tool and package once. */
export interface BuildTools {
  /** First line of what each tool of a plugin says; tools that are not there are left out. */
  tools(plugin: PluginName): Promise<Record<string, string>>;
  /** Versions of installed packages; those that are not there, or a system without dpkg, leave them out. */
  packages(names: readonly string[]): Promise<Record<string, string>>;
}

/** @see BuildTools */
export function createBuildTools(context: LifecycleContext): BuildTools {
  const known = new Map<string, Promise<string | undefined>>();
  const once = (name: string, ask: () => Promise<string | undefined>) => {
    const running = known.get(name) ?? ask();
    known.set(name, running);
    return running;
  };
  const version = async (tool: string) => {
    const text = await output(context, [
      '/bin/sh',
      '-c',
      `command -v ${tool} >/dev/null || exit 9; ${tool} ${versionArguments[tool] ?? '--version'} 2>&1`,
    ]);
    return text
      ?.split('\n')
      .find((line) => line.trim() !== '')
      ?.trim();
  };
  const installed = (name: string) =>
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the braces are dpkg-query's
    output(context, ['dpkg-query', '--show', '--showformat', '${Version} ', '--', name]);
  return {
    tools: (plugin) => table(toolsOfPlugins[plugin], (tool) => once(`tool ${tool}`, () => version(tool))),
    packages: (names) =>
      table(names, (name) =>
        once(`package ${name}`, async () => (await installed(name.split('=', 1)[0] ?? name))?.trim()),
      ),
  };
}

async function table(
  names: readonly string[],
  ask: (name: string) => Promise<string | undefined>,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const answer = await ask(name);
    if (answer !== undefined && answer !== '') found[name] = answer;
  }
  return found;
}

async function output(context: LifecycleContext, argv: readonly [string, ...string[]]): Promise<string | undefined> {
  let text = '';
  const result = await context.environment
    .run({
      argv,
      cwd: '/',
      env: { ...context.baseEnv, LC_ALL: 'C' },
      onStdout: (chunk) => {
        if (text.length < 65_536) text += chunk.toString('utf8');
      },
      onStderr: () => {},
      signal: context.signal,
      network: 'none',
    })
    .catch(() => undefined);
  context.signal.throwIfAborted();
  return result?.exitCode === 0 ? text : undefined;
}
