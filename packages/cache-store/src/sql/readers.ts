/** Bodies that are being read in this process: nothing takes them away meanwhile. */
export class Readers {
  /** By namespace, then sha256. */
  readonly #open = new Map<string, Map<string, number>>();
  readonly #counts = new Map<string, number>();

  /** How many bodies are open. */
  get size(): number {
    return this.#counts.size;
  }

  has(sha256: string): boolean {
    return this.#counts.has(sha256);
  }

  enter(namespace: string, sha256: string): void {
    let blobs = this.#open.get(namespace);
    if (!blobs) {
      blobs = new Map();
      this.#open.set(namespace, blobs);
    }
    add(blobs, sha256, 1);
    add(this.#counts, sha256, 1);
  }

  leave(namespace: string, sha256: string): void {
    const blobs = this.#open.get(namespace);
    if (!blobs) return;
    add(blobs, sha256, -1);
    add(this.#counts, sha256, -1);
    if (blobs.size === 0) this.#open.delete(namespace);
  }

  byNamespace(): readonly (readonly [string, readonly string[]])[] {
    return [...this.#open].map(([namespace, blobs]) => [namespace, [...blobs.keys()]]);
  }
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
