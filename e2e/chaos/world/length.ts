/** Rounds of a suite: `WAYBILL_CHAOS_ROUNDS` as a factor, for a run of hours or one of seconds. */
export function roundsOf(usual: number): number {
  const factor = Number(process.env.WAYBILL_CHAOS_ROUNDS ?? 1);
  return Math.max(1, Math.round(usual * factor));
}
