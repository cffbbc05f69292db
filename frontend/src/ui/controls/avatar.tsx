/** The letters that stand for a name: of its first and last word. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean)
  const letters = words.length > 1 ? [words[0]!, words.at(-1)!] : words
  return letters.map(word => firstCharacter(word).toUpperCase()).join('')
}

function firstCharacter(word: string): string {
  if (typeof Intl.Segmenter === 'undefined') return Array.from(word)[0] ?? ''
  for (const { segment } of new Intl.Segmenter().segment(word)) return segment
  return ''
}

/** Black or white, whichever can be read better on a colour `#rrggbb`. */
export function inkOn(color: string): string {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color)
  if (!hex) return '#fff'
  const [r, g, b] = hex.slice(1).map(part => {
    const share = Number.parseInt(part, 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  // Relative luminance as in WCAG; at 0.179 both inks have the same contrast.
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff'
}

/** A person as a small disc, a ring while they are away. Its name is said elsewhere. */
export function Avatar({ name, color, away }: { name: string; color: string; away?: boolean }) {
  return (
    <span
      class={away ? 'avatar away' : 'avatar'}
      style={{ '--person': color, '--person-ink': inkOn(color) }}
      // By style, because letters in the text would count as a part of the button's name.
      data-initials={initials(name) || '?'}
    />
  )
}
