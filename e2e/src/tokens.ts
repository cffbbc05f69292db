/** Numbered words, by which it is seen whether all that was typed is there, and there once. */

/** m0, m1, m2 … */
export function tokens(mark: string, count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, i) => `${mark}${first + i}`)
}

/** How many different tokens of each mark are in a text; throws where one is there twice. */
export function countTokens(text: string): Record<string, number> {
  const counts: Record<string, number> = {}
  const seen = new Set<string>()
  for (const [token, mark] of text.matchAll(/\b([a-z])\d+\b/g)) {
    if (seen.has(token)) throw new Error(`“${token}” is there twice, in:\n${text}`)
    seen.add(token)
    counts[mark!] = (counts[mark!] ?? 0) + 1
  }
  return counts
}
