const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * Time of a Release file's `Date` or `Valid-Until`: `Sat, 11 Jul 2026 10:16:37 UTC`; zones as apt takes them (UTC, GMT, Z,
 * +0000). undefined for anything else.
 * @see "DebianRepository/Format" in the Debian wiki, Date and Valid-Until
 */
export function parseReleaseDate(text: string): Date | undefined {
  const match = /^(?:[a-z]{3}, )?(\d{1,2}) ([a-z]{3}) (\d{4}) (\d{1,2}):(\d\d):(\d\d) (?:utc|gmt|z|[+-]0000)$/.exec(
    text.trim().toLowerCase().replace(/ +/g, ' '),
  );
  if (!match) return undefined;
  const [, day, month, year, hour, minute, second] = match;
  const parts = [Number(year), months.indexOf(month ?? ''), Number(day)] as const;
  const time = [Number(hour), Number(minute), Number(second)] as const;
  const date = new Date(Date.UTC(...parts, ...time));
  // Date.UTC carries overflow over (31 Feb, 25:00), so what comes out must be what went in.
  const same = date.getUTCDate() === parts[2] && date.getUTCMonth() === parts[1] && date.getUTCHours() === time[0];
  return same && time[1] < 60 && time[2] < 60 ? date : undefined;
}
