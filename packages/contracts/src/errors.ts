/** What an error carries beside its code and message. */
export interface WaybillErrorOptions {
  /** The next step for the person who reads it; one sentence. */
  readonly hint?: string;
  /** What went wrong underneath. */
  readonly cause?: unknown;
}

/**
 * Base of every error that Waybill throws on purpose. Each package derives one class with its own closed union of codes;
 * callers and tests branch on `code`, never on the text. All codes are listed in `docs/errors.md`.
 */
export class WaybillError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: WaybillErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** Whether a caught value is one of ours, whichever copy of this package made it. */
export function isWaybillError(value: unknown): value is WaybillError {
  return value instanceof Error && typeof (value as Partial<WaybillError>).code === 'string' && 'hint' in value;
}

/** Codes of `ContractError`. */
export type ContractErrorCode = 'CONTRACT_DIGEST_INVALID' | 'CONTRACT_PURL_INVALID' | 'CONTRACT_DOCUMENT_INVALID';

/** A value that does not have the form its contract asks for. */
export class ContractError extends WaybillError<ContractErrorCode> {}
