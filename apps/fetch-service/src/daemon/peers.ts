/** The other processes of this daemon, as one of them sees them. */
export interface Peers {
  /** This process's number among those of the daemon: names what each has for itself. */
  readonly slot: number;
  /** When the daemon was started. */
  readonly startedAt: Date;
  /** Seals secrets where the operator gave no keys: all processes have it, and it goes with the daemon. */
  readonly ephemeralKey: Buffer | undefined;
  /** Asks all others that serve. Who is gone or fails has no part in the answer; what it failed at is logged. */
  ask<Answer>(topic: string, body?: unknown): Promise<Answer[]>;
  /** Tells all others. */
  tell(topic: string, body?: unknown): void;
  /** Takes what others ask or tell. */
  on<Body>(topic: string, receiver: (body: Body) => unknown): void;
  /** Says that the daemon is being used, so that it is not taken for idle. */
  touched(): void;
  sessionCreated(): void;
  /** Sessions that all of them created. */
  createdCount(): Promise<number>;
}
