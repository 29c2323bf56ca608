/**
 * First process of a sandbox that may use the session:
 * `relay-inside <socket> <port> [NAME=VALUE…] -- <program> [argument…]`. Listens on loopback of the sandbox's own network
 * namespace, passes every connection to the relay's unix socket (the only thing in the sandbox that leads out), runs the
 * program with the given variables on top of its own, and ends as it ends. Imports nothing but Node: it is one file in the
 * sandbox.
 */
import { spawn } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { constants } from 'node:os';

const given = process.argv.slice(2);
const end = given.indexOf('--');
const [socketPath, port, ...variables] = given.slice(0, Math.max(end, 0));
const [program, ...args] = given.slice(end + 1);
if (end < 0 || !socketPath || !port || !program) {
  process.stderr.write('usage: relay-inside SOCKET PORT [NAME=VALUE…] -- PROGRAM [ARGUMENT…]\n');
  process.exit(64);
}
const env = { ...process.env };
for (const variable of variables) {
  const equals = variable.indexOf('=');
  env[variable.slice(0, equals)] = variable.slice(equals + 1);
}

const server = createServer({ allowHalfOpen: true }, (client) => {
  const outward = connect({ path: socketPath, allowHalfOpen: true });
  client.pipe(outward);
  outward.pipe(client);
  closeTogether(client, outward, () => outward.destroy());
  // A reset, so that the program does not take a broken stream for a complete one; unix sockets know none.
  closeTogether(outward, client, () => client.resetAndDestroy());
});
server.maxConnections = 1024;
server.once('error', (error) => {
  process.stderr.write(`cannot listen on port ${port} inside the sandbox: ${error.message}\n`);
  process.exit(70);
});
server.listen(Number(port), '127.0.0.1', () => {
  const child = spawn(program, args, { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  child.once('error', (error) => {
    process.stderr.write(`cannot run ${program}: ${error.message}\n`);
    process.exit((error as NodeJS.ErrnoException).code === 'EACCES' ? 126 : 127);
  });
  child.once('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
});

/** Once `one` is over, what `other` was sent before is still delivered; a broken connection breaks the other one, too. */
function closeTogether(one: Socket, other: Socket, breakOff: () => void): void {
  one.on('error', () => undefined);
  one.once('close', () => {
    if (one.readableEnded) other.end(() => other.destroy());
    else breakOff();
  });
}
