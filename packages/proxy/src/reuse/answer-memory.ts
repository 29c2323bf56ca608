import { hash } from 'node:crypto';

/** Milliseconds since 1970: when the origin made an answer, and until when it may be taken for current. */
export interface Freshness {
  readonly since: number;
  readonly until: number;
}

/** An approved answer that was seen before. Its body lies in the blob store; nothing here is taken for true without it. */
export interface RememberedAnswer {
  /** Digest of the request's URL: the URL itself may hold secrets. */
  readonly url: string;
  /** What else of the request told it from others: its credentials, as a digest, and what it accepts. */
  readonly variant: string;
  /** Whether it was given for credentials. Such answers are not written to the disk. */
  readonly isPrivate: boolean;
  /** Request fields that the upstream named in `Vary`, lower case, with the values they had. */
  readonly vary: Readonly<Record<string, string>>;
  /** Of the body as it was handed on. */
  readonly sha256: string;
  /** Raw list of those response fields that describe the body. */
  readonly headers: readonly string[];
  /** Raw list: the condition under which the upstream says that it is current; empty when it gave none to rely on. */
  readonly condition: readonly string[];
  /** Until then the origin need not be asked at all; absent when it did not say so. */
  readonly fresh?: Freshness | undefined;
}

/** Answers of all sessions, so that a body that is here already is not fetched again. Losing some costs a download. */
export interface AnswerMemory {
  /** All variants of an answer, the latest last. @param url digest as {@link digestOfUrl} makes it */
  find(url: string): readonly RememberedAnswer[];
  remember(answer: RememberedAnswer): void;
  /** To call when an answer's body is not there, or not whole. */
  forget(answer: RememberedAnswer): void;
  /** Least recently used first. */
  all(): Iterable<RememberedAnswer>;
  /** Notes that an upstream gave this body to a request that proved nothing: who lists its digest may have it. */
  publish(sha256: string): void;
  /** Whether that was noted. What is forgotten counts as private. */
  isPublic(sha256: string): boolean;
  /** Least recently used first. */
  published(): Iterable<string>;
  /** URLs with answers. */
  readonly size: number;
}

/** Some 500 bytes each. */
const mostUrls = 16_384;
/** Of one URL: packuments in two forms, with and without credentials. */
const mostVariants = 4;
/** Some 100 bytes each: more than the largest sessions download. */
const mostPublished = 2 ** 17;

/** Keeps the latest answers, in memory. */
export function createAnswerMemory({ urls = mostUrls }: { readonly urls?: number | undefined } = {}): AnswerMemory {
  /** Least recently used first. */
  const answers = new Map<string, readonly RememberedAnswer[]>();
  const published = new Set<string>();

  function put(url: string, variants: readonly RememberedAnswer[]): void {
    answers.delete(url);
    if (variants.length > 0) answers.set(url, variants);
    if (answers.size <= urls) return;
    const [oldest] = answers.keys();
    if (oldest !== undefined) answers.delete(oldest);
  }

  return {
    find(url) {
      const variants = answers.get(url);
      if (!variants) return none;
      put(url, variants);
      return variants;
    },
    remember(answer) {
      const others = (answers.get(answer.url) ?? none).filter(({ variant, vary }) => {
        return variant !== answer.variant || JSON.stringify(vary) !== JSON.stringify(answer.vary);
      });
      put(answer.url, [...others.slice(-(mostVariants - 1)), answer]);
    },
    forget(answer) {
      const variants = answers.get(answer.url);
      if (variants?.includes(answer)) {
        put(
          answer.url,
          variants.filter((one) => one !== answer),
        );
      }
    },
    *all() {
      for (const variants of answers.values()) yield* variants;
    },
    publish(sha256) {
      published.delete(sha256);
      published.add(sha256);
      if (published.size <= mostPublished) return;
      const [oldest] = published;
      if (oldest !== undefined) published.delete(oldest);
    },
    isPublic(sha256) {
      if (!published.delete(sha256)) return false;
      published.add(sha256);
      return true;
    },
    published: () => published.values(),
    get size() {
      return answers.size;
    },
  };
}

const none: readonly RememberedAnswer[] = [];

/** What an answer is remembered under. */
export function digestOfUrl(normalizedUrl: string): string {
  return hash('sha256', normalizedUrl, 'base64url');
}
