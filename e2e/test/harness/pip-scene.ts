import { type EcosystemScene, openEcosystemScene } from './ecosystem-scene.js';
import type { Closable } from './keep.js';
import type { PreparedClient } from './prepared-client.js';
import { type BuiltPython, buildPython, findPython, publishPython } from './python-packages.js';
import { type Ran, run } from './run.js';

/** An installer of Python packages. */
export interface PipClient {
  readonly name: string;
  /** Installs into `installed` from one of the scene's indexes. */
  install(client: PreparedClient, index: string, ...args: string[]): Promise<Ran>;
}

/** Two packages that setuptools built, on an HTML and on a JSON index. `app` needs `leaf`. */
export interface PipScene extends EcosystemScene {
  readonly app: BuiltPython;
  readonly leaf: BuiltPython;
  /** `leaf` of the same version with another content. */
  readonly foreign: BuiltPython;
}

export async function openPipScene(keep: <Thing extends Closable>(thing: Thing) => Thing): Promise<PipScene> {
  const scene = await openEcosystemScene(keep, {
    inspectors: (origin) => ({
      pip: { indexes: { html: { url: `${origin}/html/` }, json: { url: `${origin}/json/` } } },
    }),
  });
  const python = await findPython();
  const { dir, upstream } = scene;
  const leaf = await buildPython(python, dir.at('leaf'), { name: 'leaf', version: '1.0.0' });
  const foreign = await buildPython(python, dir.at('foreign'), { name: 'leaf', version: '1.0.0', value: 'evil' });
  const app = await buildPython(python, dir.at('app'), { name: 'app', version: '1.2.0', requires: ['leaf>=1'] });
  publishPython(upstream, [app, leaf]);
  return { ...scene, app, leaf, foreign };
}

/** pip, and uv where it is installed. */
export async function pipClients(): Promise<PipClient[]> {
  const python = await findPython();
  const pip: PipClient = {
    name: 'pip',
    install: (client, index, ...args) =>
      client.run(python, '-m', 'pip', 'install', '--index-url', index, '--target', 'installed', ...args),
  };
  const uv: PipClient = {
    name: 'uv',
    install: (client, index, ...args) =>
      client.run(
        'uv',
        'pip',
        'install',
        '--python',
        python,
        '--default-index',
        index,
        '--target',
        'installed',
        ...args,
      ),
  };
  const version = await run('uv', ['--version']).catch(() => undefined);
  return version?.code === 0 ? [pip, uv] : [pip];
}
