import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it } from 'vitest';
import { startDaemon } from './harness/daemon.js';
import { keepForTest } from './harness/keep.js';
import type { Ran } from './harness/run.js';
import { createWorkplace, type Workplace } from './harness/workplace.js';

/** What keeps the daemon from starting: one clear error, exit code 1, nothing left behind. */
let place: Workplace;

beforeEach(async () => {
  place = keepForTest(await createWorkplace());
});

/** The first line says what is wrong, a further one what to do. */
async function expectRefusal(ran: Ran, message: RegExp, hint?: RegExp): Promise<void> {
  expect(ran, ran.stderr).toMatchObject({ code: 1, signal: null, stdout: '' });
  expect(ran.stderr).toMatch(/^error: /);
  expect(ran.stderr).toMatch(message);
  if (hint) expect(ran.stderr).toMatch(hint);
  expect(ran.stderr).not.toMatch(/\n\s+at .*:\d+:\d+|node:internal/);
  expect(await place.leftovers()).toEqual([]);
}

describe('options and environment', () => {
  it('no FETCH_SERVICE_AUTH', async () => {
    const ran = await place.serve([], { FETCH_SERVICE_AUTH: undefined });
    await expectRefusal(ran, /FETCH_SERVICE_AUTH is not set/, /user:password/);
  });

  it('one without a password', async () => {
    await expectRefusal(await place.serve([], { FETCH_SERVICE_AUTH: 'craft' }), /FETCH_SERVICE_AUTH/);
  });

  it('no credentials wanted on all interfaces', async () => {
    const ran = await place.serve(['--no-control-auth', '--control-host=0.0.0.0'], { FETCH_SERVICE_AUTH: undefined });
    await expectRefusal(ran, /--no-control-auth would let everybody/, /--control-host=127\.0\.0\.1/);
  });

  it.each([
    ['an unknown option', ['--no-such-option'], /unknown option '--no-such-option'/],
    ['a port that is none', ['--proxy-port=99999'], /--proxy-port.*99999.*0 to 65535/],
    ['a certificate without key', ['--cert=/nowhere.pem'], /--cert was given without --key/],
    ['roots that are not there', ['--upstream-ca=/nowhere.pem'], /--upstream-ca \/nowhere\.pem cannot be read/],
  ])('%s', async (_name, args, message) => {
    await expectRefusal(await place.serve(args), message);
  });

  it('a log file that cannot be opened', async () => {
    await mkdir(place.at('log'));
    await expectRefusal(await place.serve([`--log-file=${place.at('log')}`]), /log file .* cannot be opened/);
  });
});

describe('configuration', () => {
  it.each([
    ['a wrong type', 'git:\n  urls: 7\n', /inspectors\.yaml:2:3: git\.urls: expected array/],
    ['an unknown section', 'npm:\n  registries: {}\nnmp: {}\n', /inspectors\.yaml:3:1: nmp: unknown section.*npm/],
    [
      'an unknown key',
      'npm:\n  registries:\n    x:\n      uri: https://registry.example/\n',
      /inspectors\.yaml:4:7: .*uri/,
    ],
    ['no YAML', 'git:\n  urls: [\n', /inspectors\.yaml:\d+:\d+: /],
    [
      'a glob that cannot be',
      'git:\n  urls:\n    - "https://git.example:443/{a,b"\n',
      /inspectors\.yaml:3:7: git\.urls\[0\]: /,
    ],
    [
      'a digest that is none',
      'generic:\n  files:\n    - url: https://a.example/x\n      sha256: abc\n',
      /inspectors\.yaml:4:7: generic\.files\[0\]\.sha256: .*64 hex digits/,
    ],
  ])('%s: file, line and column', async (_name, text, message) => {
    await writeFile(place.at('config', 'inspectors.yaml'), text);
    await expectRefusal(await place.serve(), message);
  });

  it('an access list that names a host', async () => {
    await writeFile(
      place.at('config', 'acl.yaml'),
      'http-proxy:\n  rules:\n    - dst: [git.example]\n      access: allow\n',
    );
    await expectRefusal(await place.serve(), /acl\.yaml:3:\d+: http-proxy\.rules\[0\]\.dst\[0\]: /);
  });

  it('none at all', async () => {
    await rm(place.at('config'), { recursive: true });
    await expectRefusal(await place.serve(), /inspectors\.yaml does not exist/, /fetch-service config init/);
  });
});

describe('ports and state', () => {
  it.each(['control', 'proxy'])('the %s port in use', async (which) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    keepForTest({ close: () => new Promise((resolve) => server.close(resolve)) });
    const { port } = server.address() as { port: number };
    const ran = await place.serve([`--${which}-port=${port}`]);
    await expectRefusal(ran, new RegExp(`port ${port} of the .*address already in use`), new RegExp(`--${which}-port`));
  });

  it('an address that is not ours', async () => {
    const ran = await place.serve(['--proxy-host=192.0.2.1']);
    await expectRefusal(ran, /proxy cannot listen on 192\.0\.2\.1/, /--proxy-host must be an address of this machine/);
  });

  it('a spool that cannot be written', async () => {
    await writeFile(place.at('file'), '');
    await expectRefusal(
      await place.serve([`--spool=${place.at('file')}`]),
      /spool .*file cannot be written/,
      /--spool=DIR/,
    );
    await expectRefusal(
      await place.serve(['--spool=/proc/spool']),
      /spool \/proc\/spool cannot be written/,
      /--spool=DIR/,
    );
  });

  it('a spool that another daemon uses', async () => {
    const other = keepForTest(await startDaemon());
    const ran = await place.serve([`--spool=${other.dir}/spool`]);
    await expectRefusal(ran, /is in use by another fetch-service/, /--spool=DIR/);
    expect((await other.control('GET', '/readyz')).status).toBe(200);
  });

  it('records that a newer version wrote', async () => {
    const other = keepForTest(await startDaemon());
    await other.kill('SIGTERM');
    const database = new DatabaseSync(`${other.dir}/spool/.waybill/sessions.db`);
    const later = "select made + 1000000, 'x', 1 from waybill_migrations order by made desc limit 1";
    database.exec(`insert into waybill_migrations ${later}`);
    database.close();
    const before = await readFile(`${other.dir}/spool/.waybill/sessions.db`);
    await expectRefusal(await place.serve([`--spool=${other.dir}/spool`]), /written by a newer version/);
    expect((await readFile(`${other.dir}/spool/.waybill/sessions.db`)).equals(before)).toBe(true);
  });

  it('a root certificate that is not a CA’s', async () => {
    await writeFile(place.at('ca.pem'), 'nothing');
    await writeFile(place.at('ca.key'), 'nothing', { mode: 0o600 });
    const ran = await place.serve([`--cert=${place.at('ca.pem')}`, `--key=${place.at('ca.key')}`]);
    await expectRefusal(ran, /holds no PEM certificate/);
  });
});
