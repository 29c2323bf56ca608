import { randomBytes, randomUUID } from 'node:crypto';
import { run } from './run.js';

/** Whether the lane was given servers: tooling/ci/postgres.sh and tooling/ci/s3.sh start them. In CI they have to be there. */
export const hasSharedStores =
  process.env.WAYBILL_CI !== undefined ||
  (process.env.WAYBILL_TEST_POSTGRES_URL !== undefined && process.env.WAYBILL_TEST_S3_ENDPOINT !== undefined);

/** A database and a part of the bucket, both empty at first. */
export interface SharedStores {
  /** `--database` and `--bodies`. */
  readonly args: readonly string[];
  /** Credentials of the S3 server. */
  readonly env: NodeJS.ProcessEnv;
  /** Everything that the database holds, as text. */
  dump(): Promise<string>;
  close(): Promise<void>;
}

export async function createSharedStores(): Promise<SharedStores> {
  const server = given('WAYBILL_TEST_POSTGRES_URL');
  const name = `waybill_e2e_${randomBytes(8).toString('hex')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await mustRun('psql', ['--quiet', '--command', `create database ${name}`, server]);
  const parameters = new URLSearchParams({
    endpoint: given('WAYBILL_TEST_S3_ENDPOINT'),
    region: 'us-east-1',
    'path-style': 'true',
  });
  const bodies = `s3://${given('WAYBILL_TEST_S3_BUCKET')}/replicas-${randomUUID()}?${parameters}`;
  return {
    args: [`--database=${url}`, `--bodies=${bodies}`],
    env: {
      AWS_ACCESS_KEY_ID: given('WAYBILL_TEST_S3_ACCESS_KEY'),
      AWS_SECRET_ACCESS_KEY: given('WAYBILL_TEST_S3_SECRET_KEY'),
    },
    dump: () => mustRun('pg_dump', ['--data-only', '--inserts', url.href]),
    async close() {
      await mustRun('psql', ['--quiet', '--command', `drop database ${name} with (force)`, server]);
    },
  };
}

function given(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: eval "$(tooling/ci/postgres.sh start)"; eval "$(tooling/ci/s3.sh start)"`);
}

async function mustRun(program: string, args: readonly string[]): Promise<string> {
  const ran = await run(program, args);
  if (ran.code !== 0) throw new Error(`${program} failed: ${ran.stderr}`);
  return ran.stdout;
}
