import { writeFile } from 'node:fs/promises';
import { digest, type Goods } from './goods.js';

/** Writes a project that needs every package of the goods, with a lock file, into a directory. */
export async function writeLockedProject(directory: string, { all }: Goods, origin: string): Promise<void> {
  const tarballs = all.filter(({ kind }) => kind === 'tarball');
  const names = tarballs.map(({ path }) => path.split('/')[2] ?? '');
  const root = { name: 'project', version: '1.0.0' };
  const dependencies = Object.fromEntries(names.map((name) => [name, '1.0.0']));
  const packages = Object.fromEntries(
    tarballs.map(({ path, body }, at) => {
      const integrity = `sha512-${Buffer.from(digest('sha512', body), 'hex').toString('base64')}`;
      return [`node_modules/${names[at]}`, { version: '1.0.0', resolved: origin + path, integrity }];
    }),
  );
  const lock = {
    ...root,
    lockfileVersion: 3,
    requires: true,
    packages: { '': { ...root, dependencies }, ...packages },
  };
  await writeFile(`${directory}/package.json`, JSON.stringify({ ...root, dependencies }));
  await writeFile(`${directory}/package-lock.json`, JSON.stringify(lock));
}
