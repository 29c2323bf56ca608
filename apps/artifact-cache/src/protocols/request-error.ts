/** A request that does not have the form its protocol asks for. Edges of the HTTP protocols only; says nothing that is secret. */
export class RequestError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.name = 'RequestError';
    this.statusCode = statusCode;
  }
}
