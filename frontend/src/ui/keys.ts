/**
 * Shortcuts are written as ProseMirror writes them, `Mod-Shift-7`; Mod is
 * Command on Apple's systems and Control elsewhere.
 */
const onApple = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform)

const appleNames: Record<string, string> = { Mod: '⌘', Shift: '⇧', Alt: '⌥', Ctrl: '⌃', Enter: '↩' }
const otherNames: Record<string, string> = { Mod: 'Ctrl' }

/** The keys of a shortcut as they are printed on this keyboard. */
export function keyCaps(shortcut: string, apple = onApple): string[] {
  const names = apple ? appleNames : otherNames
  return parts(shortcut).map(part => names[part] ?? (part.length === 1 ? part.toUpperCase() : part))
}

/** A shortcut in the form of aria-keyshortcuts. */
export function ariaKeys(shortcut: string, apple = onApple): string {
  const names: Record<string, string> = { Mod: apple ? 'Meta' : 'Control', Ctrl: 'Control' }
  return parts(shortcut)
    .map(part => names[part] ?? part)
    .join('+')
}

/** Whether an event is the shortcut's, e.g. `Mod-/`. */
export function isShortcut(event: KeyboardEvent, shortcut: string, apple = onApple): boolean {
  const held = parts(shortcut)
  const key = held.pop()
  return (
    event.key.toLowerCase() === key?.toLowerCase() &&
    (apple ? event.metaKey : event.ctrlKey) === held.includes('Mod') &&
    event.altKey === held.includes('Alt') &&
    (event.shiftKey === held.includes('Shift') || key === '/')
  )
}

function parts(shortcut: string): string[] {
  return shortcut.split(/-(?!$)/)
}
