import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../processes/free-port.ts';
import { runProgram, searchPath } from '../processes/run-program.ts';
import { startProgram } from '../processes/start-program.ts';
import type { Availability, Engine, RunningEngine, Site } from './engine.ts';

const certificateHelper = '/usr/lib/squid/security_file_certgen';

/** Debian's squid-openssl, decrypting everything with certificates made per host. */
export const squid: Engine = {
  id: 'squid',
  does: 'ssl-bump with certificates per host; neither hashes nor records, asks for no credentials, caches nothing',
  needsToKnowBodies: false,
  longWorks: true,
  find,
  start,
};

async function find(): Promise<Availability> {
  try {
    const text = await runProgram('squid', ['-v']);
    const version = /Version (\S+)/.exec(text)?.[1] ?? 'unknown';
    return text.includes('--with-openssl')
      ? { version }
      : { missing: 'squid is built without OpenSSL, ssl-bump needs it' };
  } catch {
    return { missing: 'squid is not installed (bench/setup.sh installs squid-openssl)' };
  }
}

async function start(site: Site): Promise<RunningEngine> {
  const { dir, upstream, ca, wrap } = site;
  const port = await freePort();
  await writeFile(join(dir, 'ca.pem'), ca.certPem + ca.keyPem, { mode: 0o600 });
  await writeFile(join(dir, 'squid.conf'), squidConfig(site, port));
  await runProgram(certificateHelper, ['-c', '-s', join(dir, 'certificates'), '-M', '4MB']);
  if (process.geteuid?.() === 0) await giveToSquid(dir);
  const program = await startProgram({
    name: 'squid',
    ...wrap({ program: 'squid', args: ['-N', '-f', join(dir, 'squid.conf')] }),
    env: { PATH: searchPath },
    logFile: join(dir, 'squid.log'),
    ports: [port],
  });
  const route = { proxy: { address: `127.0.0.1:${port}` }, host: upstream.host, port: upstream.port, ca: [ca.certPem] };
  return { ...program, open: async () => ({ route }) };
}

/** Started by root, squid gives root's account up for its own, which has to reach its files. */
async function giveToSquid(dir: string): Promise<void> {
  await runProgram('chown', ['-R', 'proxy:proxy', dir]);
  await chmod(dir, 0o700);
}

function squidConfig({ dir, upstream }: Site, port: number): string {
  return `http_port 127.0.0.1:${port} ssl-bump tls-cert=${dir}/ca.pem generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program ${certificateHelper} -s ${dir}/certificates -M 4MB
sslcrtd_children 2
ssl_bump bump all
tls_outgoing_options cafile=${upstream.caFile} min-version=1.2
http_access allow all
cache deny all
cache_mem 8 MB
access_log none
cache_log ${dir}/cache.log
cache_store_log none
pid_filename ${dir}/squid.pid
coredump_dir ${dir}
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
via off
forwarded_for delete
visible_hostname bench
`;
}
