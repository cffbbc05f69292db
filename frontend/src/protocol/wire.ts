/**
 * A refusal as the server words it, in the form of RFC 9457. `type` is the
 * stable name after `/problems/`; `extra` holds the members beyond the
 * standard ones, such as `head`.
 */
export class Problem extends Error {
  readonly status: number
  readonly type: string
  readonly title: string
  readonly detail: string
  readonly extra: Record<string, unknown>

  constructor(status: number, type: string, title: string, detail = '', extra: Record<string, unknown> = {}) {
    super(detail || title)
    this.name = 'Problem'
    this.status = status
    this.type = type
    this.title = title
    this.detail = detail
    this.extra = extra
  }
}
