const dayMs = 86_400_000;

/** The instant some days later; fractions and negative numbers are fine. */
export function addDays(instant: Date, days: number): Date {
  return new Date(instant.getTime() + days * dayMs);
}

/** Certificates know no fractions of a second (RFC 5280 §4.1.2.5). Rounded down. */
export function wholeSeconds(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / 1000) * 1000);
}
