import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { createRootCa } from '@waybill/ca';
import { beforeAll, describe, expect, it } from 'vitest';
import { useFolder } from '../test/folder.js';
import { readCertificates } from './pem.js';
import { findSystemRoots } from './system-roots.js';

const path = useFolder();
let one: string;
let two: string;
beforeAll(async () => {
  one = (await createRootCa()).certificatePem;
  two = (await createRootCa()).certificatePem;
});

describe('findSystemRoots', () => {
  it("takes the first of the system's bundles that holds certificates", async () => {
    await mkdir(path('folder.pem'));
    await writeFile(path('empty.pem'), '');
    await writeFile(path('one.pem'), one);
    await writeFile(path('two.pem'), two);
    const roots = await findSystemRoots({}, [
      path('none.pem'),
      path('folder.pem'),
      path('empty.pem'),
      path('one.pem'),
      path('two.pem'),
    ]);
    expect(roots).toEqual(readCertificates(one));
  });

  it("prefers the host's SSL_CERT_FILE", async () => {
    await writeFile(path('one.pem'), one);
    await writeFile(path('two.pem'), two);
    expect(await findSystemRoots({ SSL_CERT_FILE: path('two.pem') }, [path('one.pem')])).toEqual(readCertificates(two));
  });

  it("adds the host's SSL_CERT_DIR", async () => {
    await writeFile(path('one.pem'), one);
    await mkdir(path('certs'));
    await writeFile(path('certs', 'two.crt'), two);
    await symlink('two.crt', path('certs', '0a1b2c3d.0'));
    await writeFile(path('certs', 'README'), one);
    const roots = await findSystemRoots({ SSL_CERT_DIR: `${path('none')}:${path('certs')}` }, [path('one.pem')]);
    expect(new Set(roots.map(String))).toEqual(new Set(readCertificates(one + two).map(String)));
  });

  it('falls back to the roots that Node brings', async () => {
    expect(await findSystemRoots({}, [path('none.pem')])).toHaveLength(rootCertificates.length);
  });

  it.each(['none.pem', 'text.pem', 'folder'])('says when SSL_CERT_FILE is useless: %s', async (name) => {
    await writeFile(path('text.pem'), 'text');
    await mkdir(path('folder'));
    await expect(findSystemRoots({ SSL_CERT_FILE: path(name) })).rejects.toMatchObject({
      code: 'SETUP_ROOTS_INVALID',
      message: expect.stringContaining(path(name)),
    });
  });
});
