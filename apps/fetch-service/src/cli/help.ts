/** Text around the options in `fetch-service --help`. */
export const serveHelp = {
  before: `A recording proxy for builds: what a build downloads is inspected, let in or refused, and written down.
Sessions are opened through the control API. A build takes http://<session id>:<token>@<host>:<proxy port>/ as
http and https proxy and trusts the root certificate.`,
  after: `
Commands:
  serve                     the same as no command: run the daemon in the foreground
  config init               write inspectors.yaml from what npm, apt and git on this machine use
  config check <file>       say what is wrong with a configuration file, with line and column

Environment:
  FETCH_SERVICE_AUTH        user:password of the control API; required unless --no-control-auth
  DATABASE_URL              PostgreSQL for records, as --database
  HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY
                            proxy between this service and upstreams
  WAYBILL_RUNTIME_DIR, XDG_RUNTIME_DIR
                            where the runtime file is written

Signals:
  SIGINT, SIGTERM, SIGQUIT  stop within ten seconds; open sessions go on after the next start
  SIGHUP                    read the root certificate and key again
  SIGUSR1                   open log files anew

Exit codes:
  0 stopped when idle · 1 options, start or stop failed · 2 a part of the service died · 128+n stopped by signal n

Examples:
  fetch-service config init --output=/etc/fetch
  FETCH_SERVICE_AUTH=me:secret fetch-service --control-host=127.0.0.1 --spool=/var/lib/fetch
  curl -u me:secret http://127.0.0.1:9999/session -d '{"policy": "strict"}'

More: docs/fetch-service.md
`,
};
