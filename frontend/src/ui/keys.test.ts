import { expect, test } from 'vitest'
import { ariaKeys, isShortcut, keyCaps } from './keys'

test('keys are named as on the keyboard at hand', () => {
  expect(keyCaps('Mod-Shift-x', true)).toEqual(['⌘', '⇧', 'X'])
  expect(keyCaps('Mod-Shift-x', false)).toEqual(['Ctrl', 'Shift', 'X'])
  expect(keyCaps('Mod--', false)).toEqual(['Ctrl', '-'])
  expect(ariaKeys('Mod-Alt-1', true)).toBe('Meta+Alt+1')
})

test('a shortcut is known by its modifiers', () => {
  const press = (key: string, held: object) =>
    ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held }) as KeyboardEvent
  expect(isShortcut(press('/', { ctrlKey: true }), 'Mod-/', false)).toBe(true)
  // On many keyboards the slash itself needs Shift.
  expect(isShortcut(press('/', { ctrlKey: true, shiftKey: true }), 'Mod-/', false)).toBe(true)
  expect(isShortcut(press('/', {}), 'Mod-/', false)).toBe(false)
  expect(isShortcut(press('/', { ctrlKey: true }), 'Mod-/', true)).toBe(false)
})
