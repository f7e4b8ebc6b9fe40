import type { Refusal } from "./types";

/** A refused call or frame. `code` is the API's stable reason; OFFLINE when nothing answered. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail = "",
    readonly violations: NonNullable<Refusal["violations"]> = [],
    readonly retryAfterS = 0,
  ) {
    super(detail || code);
  }

  static of(refusal: Partial<Refusal>, retryAfterS = 0): Problem {
    const { status = 500, code = "INTERNAL", detail, violations } = refusal;
    return new Problem(status, code, detail, violations, refusal.retry_after_s ?? retryAfterS);
  }

  /** The same call may succeed later. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
