import type { Clock } from '@waybill/contracts';
import type { Database } from '@waybill/database';
import type { CachePrincipal, CacheWriter, CredentialKind, PrincipalStore } from '../cache-store.js';
import { CacheStoreError } from '../errors.js';
import { writeAudit } from './audit.js';
import type { WriteQueue } from './write-queue.js';

const columns = 'id, kind, value, public_key, grants, created_at, expires_at, comment';

/** Asked anew each time: a key that was taken away opens nothing any more, whichever replica took it away. */
export class SqlPrincipals implements PrincipalStore {
  readonly #database: Database;
  readonly #writes: WriteQueue;
  readonly #clock: Clock;

  constructor(database: Database, writes: WriteQueue, clock: Clock) {
    this.#database = database;
    this.#writes = writes;
    this.#clock = clock;
  }

  async add(principal: Omit<CachePrincipal, 'createdAt'>, writer: CacheWriter): Promise<CachePrincipal> {
    const { id, credential, grants, expiresAt, comment } = principal;
    return await this.#writes.run({
      namespaces: [],
      run: async (transaction) => {
        const createdAt = new Date(transaction.now);
        const [added] = await transaction.rows(
          `insert into cache_principals (${columns}) values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing returning id`,
          [
            id,
            credential.kind,
            credential.value,
            credential.publicKey ?? null,
            JSON.stringify(grants),
            createdAt.getTime(),
            expiresAt?.getTime() ?? null,
            comment ?? null,
          ],
        );
        if (!added) {
          throw new CacheStoreError(
            'CACHE_PRINCIPAL_EXISTS',
            `there is a principal ${id} already, or one with this credential`,
            { hint: 'choose another id, or remove the other principal first' },
          );
        }
        await writeAudit(transaction, transaction.now, {
          namespace: '*',
          action: 'grant',
          writer,
          detail: `${id}: ${grants.map(({ namespace, right }) => `${right} ${namespace}`).join(', ')}`,
        });
        return { ...principal, createdAt };
      },
    });
  }

  async find(kind: CredentialKind, value: string): Promise<CachePrincipal | undefined> {
    if (!isText(value)) return undefined;
    const [row] = await this.#database.rows(
      `select ${columns} from cache_principals where kind = ? and value = ? and (expires_at is null or expires_at > ?)`,
      [kind, value, this.#clock.now().getTime()],
    );
    return row && toPrincipal(row);
  }

  async get(id: string): Promise<CachePrincipal | undefined> {
    if (!isText(id)) return undefined;
    const [row] = await this.#database.rows(`select ${columns} from cache_principals where id = ?`, [id]);
    return row && toPrincipal(row);
  }

  async list(): Promise<readonly CachePrincipal[]> {
    return (await this.#database.rows(`select ${columns} from cache_principals order by id`)).map(toPrincipal);
  }

  async remove(id: string, writer: CacheWriter): Promise<boolean> {
    if (!isText(id)) return false;
    return await this.#writes.run({
      namespaces: [],
      run: async (transaction) => {
        const gone = await transaction.rows('delete from cache_principals where id = ? returning id', [id]);
        if (gone.length === 0) return false;
        await writeAudit(transaction, transaction.now, { namespace: '*', action: 'revoke', writer, detail: id });
        return true;
      },
    });
  }
}

/** PostgreSQL knows no text with such characters, and so no principal with them. */
function isText(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed();
}

function toPrincipal([
  id,
  kind,
  value,
  publicKey,
  grants,
  created,
  expires,
  comment,
]: readonly unknown[]): CachePrincipal {
  return {
    id: String(id),
    credential: {
      kind: kind as CredentialKind,
      value: String(value),
      ...(publicKey !== null && { publicKey: String(publicKey) }),
    },
    grants: JSON.parse(String(grants)),
    createdAt: new Date(Number(created)),
    ...(expires !== null && { expiresAt: new Date(Number(expires)) }),
    ...(comment !== null && { comment: String(comment) }),
  };
}
