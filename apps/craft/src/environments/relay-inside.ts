/**
 * First process of a sandbox that may use the session: `relay-inside <socket> <port> <program> [argument…]`. Listens on
 * loopback of the sandbox's own network namespace, passes every connection to the relay's unix socket (the only thing in the
 * sandbox that leads out), runs the program and ends as it ends. Imports nothing but Node: it is one file in the sandbox.
 */
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { constants } from 'node:os';

const [socketPath, port, program, ...args] = process.argv.slice(2);
if (!socketPath || !port || !program) {
  process.stderr.write('usage: relay-inside SOCKET PORT PROGRAM [ARGUMENT…]\n');
  process.exit(64);
}

const server = createServer({ allowHalfOpen: true }, (client) => {
  const outward = connect({ path: socketPath, allowHalfOpen: true });
  client.on('error', () => outward.destroy());
  outward.on('error', () => client.destroy());
  client.once('close', () => outward.destroy());
  outward.once('close', () => client.destroy());
  client.pipe(outward);
  outward.pipe(client);
});
server.once('error', (error) => {
  process.stderr.write(`cannot listen on port ${port} inside the sandbox: ${error.message}\n`);
  process.exit(70);
});
server.listen(Number(port), '127.0.0.1', () => {
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    process.stderr.write(`cannot run ${program}: ${error.message}\n`);
    process.exit(127);
  });
  child.once('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
});
