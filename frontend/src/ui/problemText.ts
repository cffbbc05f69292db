import { Problem } from '../protocol/wire'
import { strings } from './strings'

/** One sentence for a person about anything that was thrown. */
export function problemText(error: unknown): string {
  if (!(error instanceof Problem)) return `${strings.failed}.`
  // What the server says names the thing that was wrong, so it goes first,
  // except where it speaks to programs.
  const ours = strings.problems[error.type]
  if (error.type === 'internal' || error.status === 0) return ours ?? `${strings.failed}.`
  return sentence(error.detail) || ours || sentence(error.title) || `${strings.failed}.`
}

function sentence(text: string): string {
  const trimmed = text.trim()
  if (!trimmed) return ''
  const begun = trimmed[0]!.toUpperCase() + trimmed.slice(1)
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`
}
