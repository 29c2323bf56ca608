import { configFileOf, loadConfig } from '../config/load-config.js';
import { messageOf } from '../errors.js';
import { runServer } from '../serve/run-server.js';
import { createServerLog } from '../serve/server-log.js';

/** Serves until a signal says stop; a second one ends at once. Resolves to the exit code. */
export async function serveCommand(
  option: string | undefined,
  {
    env,
    out,
    err,
  }: { env: Readonly<Record<string, string | undefined>>; out: (text: string) => void; err: (text: string) => void },
): Promise<number> {
  const loaded = await loadConfig(configFileOf(option, env), env);
  const log = createServerLog(err, loaded.config.log);
  const stopped = Promise.withResolvers<string>();
  const server = await runServer(loaded, log);
  let isStopping = false;
  const onSignal = (signal: string) => {
    if (isStopping) process.exit(1);
    isStopping = true;
    stopped.resolve(signal);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  process.on('SIGHUP', () => {
    log.info({}, 'certificates are read again');
    void server.reloadTls();
  });
  log.info({ urls: server.urls, config: loaded.file }, 'ready');
  out(`artifact-cache is ready: ${server.urls.join(' ')}\n`);
  const signal = await stopped.promise;
  log.info({ signal }, 'stopping');
  try {
    await server.stop();
  } catch (cause) {
    log.error({ error: messageOf(cause) }, 'the server did not stop cleanly');
    return 1;
  }
  log.info({}, 'stopped');
  return 0;
}
