import type { InspectorsConfigInput } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import { waybillDirectories } from '../session/directories.js';
import { openExternalSession, wantsExternalSession } from '../session/external.js';
import { openManagedSession } from '../session/managed.js';
import { readProjectInspectors } from '../session/project-inspectors.js';
import { readProjectLockFiles } from '../session/project-lock-files.js';
import type { BuildSession, Policy } from '../session/session.js';
import type { CommandContext } from './command-context.js';

/**
 * How sessions of this run are opened; `undefined` for an ordinary build. What can be checked without opening one is checked
 * here, before anything is touched.
 * @throws CraftError CRAFT_SESSION_CONFLICT, CRAFT_EXTERNAL_*, CRAFT_CONFIG_INVALID
 */
export async function chooseSession(
  command: CommandContext,
  policy: Policy | undefined,
): Promise<(() => Promise<BuildSession>) | undefined> {
  const { env, progress, signal } = command;
  if (wantsExternalSession(env)) {
    if (policy !== undefined) {
      throw new CraftError(
        'CRAFT_SESSION_CONFLICT',
        '--enable-fetch-service and CRAFT_USE_EXTERNAL_FETCH_SERVICE=1 exclude each other',
        {
          hint: 'leave the option out to use the external session, or unset the variable to open one',
        },
      );
    }
    const session = await openExternalSession(env);
    return async () => session;
  }
  if (policy === undefined) return undefined;
  const inspectors = withLockFiles(
    await readProjectInspectors(command.projectDirectory),
    await readProjectLockFiles(command.projectDirectory, command.project['lock-files'] ?? []),
  );
  return () => openManagedSession({ policy, inspectors, directories: waybillDirectories(env), env, progress, signal });
}

function withLockFiles(
  inspectors: InspectorsConfigInput | undefined,
  files: NonNullable<InspectorsConfigInput['lock-files']>,
): InspectorsConfigInput | undefined {
  if (files.length === 0) return inspectors;
  return { ...inspectors, 'lock-files': [...(inspectors?.['lock-files'] ?? []), ...files] };
}
