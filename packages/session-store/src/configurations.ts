import { hash } from 'node:crypto';
import type { JsonObject } from '@waybill/contracts';
import type { BoundStatement } from '@waybill/database';
import { eq, sql } from 'drizzle-orm';
import type { Driver } from './driver.js';

/** Configurations kept whether or not somebody uses them; as many more as somebody does use. */
const keptConfigurations = 4;
/** Keys that are known to be there. */
const knownKeys = 1_000;

/**
 * Configurations by the digest of their text. One and the same object stands for a configuration as long as somebody has it:
 * callers may keep by it what they make of it, and a large one is written, sent and parsed once.
 */
export class Configurations {
  readonly #driver: Driver;
  readonly #keys = new WeakMap<JsonObject, string>();
  readonly #objects = new Map<string, WeakRef<JsonObject>>();
  readonly #recent = new Map<string, JsonObject>();
  readonly #written = new Set<string>();

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** Its key, and whether the table has it as far as we know. */
  place(configuration: JsonObject): { readonly key: string; readonly isWritten: boolean } {
    const key = this.#keys.get(configuration) ?? hash('sha256', JSON.stringify(configuration), 'base64url');
    this.#keys.set(configuration, key);
    if (!this.#objects.get(key)?.deref()) this.#remember(key, configuration);
    return { key, isWritten: this.#written.has(key) };
  }

  /** Enters it, unless it is there. */
  insertion(key: string, configuration: JsonObject): BoundStatement {
    const { configurations } = this.#driver.tables;
    return this.#driver.db.insert(configurations).values({ key, configuration }).onConflictDoNothing().toSQL();
  }

  /** To be called when it was entered. */
  wrote(key: string): void {
    this.#written.delete(key);
    this.#written.add(key);
    const [oldest] = this.#written;
    if (this.#written.size > knownKeys && oldest !== undefined) this.#written.delete(oldest);
  }

  /** @returns undefined when its last session is gone, and it with it */
  async read(key: string): Promise<JsonObject | undefined> {
    const known = this.#objects.get(key)?.deref();
    if (known) return known;
    const { configurations } = this.#driver.tables;
    const [row] = await this.#driver.db
      .select({ configuration: configurations.configuration })
      .from(configurations)
      .where(eq(configurations.key, key));
    const configuration = this.#objects.get(key)?.deref() ?? row?.configuration;
    if (!configuration) return undefined;
    this.#keys.set(configuration, key);
    this.#remember(key, configuration);
    return configuration;
  }

  /** Removes those that no session has any more. One that is being given to a session right now stays, or is entered again. */
  async removeUnused(): Promise<void> {
    const { configurations, sessions } = this.#driver.tables;
    const isUsed = sql`select 1 from ${sessions} where ${sessions.configurationKey} = ${configurations.key}`;
    const removed = await this.#driver.db
      .delete(configurations)
      .where(sql`not exists (${isUsed})`)
      .returning({ key: configurations.key })
      .catch((error: unknown) => {
        // A session has just been created with one of them.
        if (this.#driver.isMissingReference(error)) return [];
        throw error;
      });
    for (const { key } of removed) this.#written.delete(key);
  }

  #remember(key: string, configuration: JsonObject): void {
    this.#objects.set(key, new WeakRef(configuration));
    this.#recent.delete(key);
    this.#recent.set(key, configuration);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > keptConfigurations && oldest !== undefined) this.#recent.delete(oldest);
    for (const [name, object] of this.#objects) if (!object.deref()) this.#objects.delete(name);
  }
}
