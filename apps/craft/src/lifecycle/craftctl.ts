import { execFile } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What a call of craftctl in a script asks for. */
export type CraftctlHandler = (args: readonly string[]) => Promise<string>;

/** The channel between a script and craft. */
export interface CraftctlChannel {
  /** Directory to put first on PATH. */
  readonly bin: string;
  /** Variables that craftctl needs. */
  readonly env: Readonly<Record<string, string>>;
  /** What a handler threw last: the reason why the script failed. */
  failure(): unknown;
  close(): Promise<void>;
}

const run = promisify(execFile);
const maxRequestBytes = 65_536;

/**
 * The program that scripts call. It leaves its arguments in a file, announces itself through a named pipe and waits for
 * the answer on another: no socket, so that it works in an environment without any network, and no length limit of paths.
 */
const craftctlScript = `#!/bin/sh
# craftctl default | craftctl get NAME | craftctl set NAME=VALUE
if [ -z "\${CRAFT_CTL_DIR:-}" ] || [ ! -p "$CRAFT_CTL_DIR/control" ]; then
  echo "craftctl: works only in override scripts" >&2
  exit 1
fi
reply="$CRAFT_CTL_DIR/reply.$$"
request="$CRAFT_CTL_DIR/request.$$"
mkfifo "$reply" || exit 1
exec 3<>"$reply"
if [ "$#" -gt 0 ]; then printf '%s\\000' "$@" >"$request"; else : >"$request"; fi
echo "$$" >"$CRAFT_CTL_DIR/control"
read -r code lines <&3
if [ "$code" = 0 ]; then
  if [ "$lines" -gt 0 ]; then head -n "$lines" <&3; fi
else
  if [ "$lines" -gt 0 ]; then head -n "$lines" <&3 >&2; fi
fi
rm -f "$reply" "$request"
exit "$code"
`;

/**
 * Opens a channel in a part's run directory. Calls are answered one after another. What the script's side leaves there is
 * not trusted: links are not followed and sizes are bounded.
 */
export async function openCraftctl(runDirectory: string, handle: CraftctlHandler): Promise<CraftctlChannel> {
  const dir = join(runDirectory, 'craftctl');
  await rm(dir, { recursive: true, force: true });
  await mkdir(join(dir, 'bin'), { recursive: true });
  await writeFile(join(dir, 'bin/craftctl'), craftctlScript, { mode: 0o755 });
  await run('mkfifo', ['-m', '600', join(dir, 'control')]);
  // Read and write, so that opening does not wait for a writer and the pipe does not end between two calls.
  const fd = openSync(join(dir, 'control'), constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  const socket = new Socket({ fd, readable: true, writable: false });
  let failure: unknown;
  let queue = Promise.resolve();
  let pending = '';
  socket.on('data', (chunk) => {
    const lines = (pending + chunk.toString('latin1')).split('\n');
    pending = (lines.pop() ?? '').slice(0, 32);
    for (const id of lines) if (/^\d{1,10}$/.test(id)) queue = queue.then(() => answer(id));
  });
  socket.on('error', () => {});

  async function answer(id: string): Promise<void> {
    try {
      const text = await handle(await readRequest(join(dir, `request.${id}`)));
      await reply(join(dir, `reply.${id}`), 0, text);
    } catch (error) {
      failure = error;
      await reply(join(dir, `reply.${id}`), 1, `craftctl: ${(error as Error).message}`).catch(() => {});
    }
  }

  return {
    bin: join(dir, 'bin'),
    env: { CRAFT_CTL_DIR: dir },
    failure: () => failure,
    async close() {
      socket.destroy();
      await queue;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function readRequest(path: string): Promise<string[]> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxRequestBytes + 1), 0, maxRequestBytes + 1, 0);
    if (bytesRead > maxRequestBytes) throw new Error(`arguments have more than ${maxRequestBytes} bytes`);
    return buffer.subarray(0, bytesRead).toString('utf8').split('\0').slice(0, -1);
  } finally {
    await file.close();
  }
}

async function reply(path: string, code: number, text: string): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    if (!(await file.stat()).isFIFO()) throw new Error('the answer has nowhere to go');
    const body = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    await file.write(`${code} ${body.split('\n').length - 1}\n${body}`);
  } finally {
    await file.close();
  }
}
