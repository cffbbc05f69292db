import { Problem } from '../protocol/wire'

/** Reads the refusal in an answer that is not 2xx, whatever its body is. */
export async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null)
  const { type, title, detail, status, ...extra } = (body ?? {}) as Record<string, unknown>
  void status
  return new Problem(
    response.status,
    typeof type === 'string' ? type.replace(/^\/problems\//, '') : 'internal',
    typeof title === 'string' ? title : response.statusText,
    typeof detail === 'string' ? detail : '',
    extra,
  )
}
