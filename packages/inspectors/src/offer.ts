import type { CatalogOffer } from '@waybill/contracts';

/** Lives as long as the offer itself: nothing is kept beyond one inspection. */
const values = new WeakMap<CatalogOffer, unknown>();

/**
 * An offer whose value the inspector has already parsed, so that nobody parses the index again. It must be what the
 * {@link CatalogParser} of its kind makes of the same bytes.
 */
export function offerWithValue(offer: CatalogOffer, value: unknown): CatalogOffer {
  const own = { ...offer };
  values.set(own, value);
  return own;
}

/** The value given with an offer, if one was. */
export function offeredValue(offer: CatalogOffer): unknown {
  return values.get(offer);
}
