import { Problem } from '../protocol/wire'
import { strings } from './strings'

/** What the server says of these speaks to programs: "op 3: the embed must be an object". */
const TO_PROGRAMS = new Set([
  'internal',
  'invalid-edit',
  'bad-request',
  'base-ahead',
  'base-too-old',
  'n-gap',
  'n-reused',
])

/** One sentence for a person about anything that was thrown. */
export function problemText(error: unknown): string {
  if (!(error instanceof Problem)) return `${strings.failed}.`
  // What the server says names the thing that was wrong, so it goes first.
  const ours = strings.problems[error.type]
  if (TO_PROGRAMS.has(error.type) || error.status === 0) return ours ?? `${strings.failed}.`
  return sentence(error.detail) || ours || sentence(error.title) || `${strings.failed}.`
}

function sentence(text: string): string {
  const trimmed = text.trim()
  if (!trimmed) return ''
  const begun = trimmed[0]!.toUpperCase() + trimmed.slice(1)
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`
}
