import { CraftError } from '../errors.js';
import type { LifecycleContext } from '../lifecycle/context.js';

// biome-ignore lint/suspicious/noTemplateCurlyInString: the braces are dpkg-query's
const dpkgFormat = '${binary:Package} ${db:Status-Status}\n';

/**
 * Checks that the build environment has what the parts name in `build-packages`. Nothing is installed: a session build must
 * not change the machine, and what is on it already is no download of the build.
 * @throws CraftError CRAFT_BUILD_PACKAGE_MISSING
 */
export async function checkBuildPackages(context: LifecycleContext): Promise<void> {
  const wanted = new Set(
    Object.values(context.project.parts).flatMap((part) =>
      part['build-packages'].map((entry) => entry.replace(/[:=].*$/, '')),
    ),
  );
  if (wanted.size === 0) return;
  let output = '';
  const result = await context.environment
    .run({
      argv: ['dpkg-query', '--show', '--showformat', dpkgFormat],
      cwd: '/',
      env: { ...context.baseEnv, LC_ALL: 'C' },
      onStdout: (chunk) => {
        output += chunk.toString('utf8');
      },
      onStderr: () => {},
      signal: context.signal,
      network: 'none',
    })
    .catch(() => undefined);
  if (result?.exitCode !== 0) {
    context.progress.warn('build-packages were not checked: the build environment has no dpkg-query');
    return;
  }
  const installed = new Set(
    output
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.replace(/[: ].*$/, '')),
  );
  const missing = [...wanted].filter((name) => !installed.has(name)).sort();
  if (missing.length === 0) return;
  throw new CraftError('CRAFT_BUILD_PACKAGE_MISSING', `build-packages that are not installed: ${missing.join(', ')}`, {
    hint: `install them first: apt-get install ${missing.join(' ')}`,
  });
}
