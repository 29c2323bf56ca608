import type { Database } from '@waybill/database';
import type { Lists } from './lists.js';

/** A namespace that has been written to. */
export interface KnownNamespace {
  readonly name: string;
  readonly id: number;
}

/** Numbers of namespaces. They are given once and for all, so that each is asked for once. */
export class NamespaceIds {
  readonly #database: Database;
  readonly #lists: Lists;
  readonly #known = new Map<string, number>();

  constructor(database: Database, lists: Lists) {
    this.#database = database;
    this.#lists = lists;
  }

  /** Those that have been written to, in the order asked. */
  async of(names: readonly string[]): Promise<readonly KnownNamespace[]> {
    const unknown = names.filter((name) => !this.#known.has(name));
    if (unknown.length > 0) {
      const rows = await this.#database.rows(
        `select name, id from cache_namespaces where name in ${this.#lists.texts}`,
        [JSON.stringify(unknown)],
      );
      for (const [name, id] of rows) this.#known.set(String(name), Number(id));
    }
    return names.flatMap((name) => {
      const id = this.#known.get(name);
      return id === undefined ? [] : [{ name, id }];
    });
  }
}
