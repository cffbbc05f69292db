// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Command, Editor, Formats } from '../../binding/editor'
import { Toolbar } from './toolbar'

const plain: Formats = {
  bold: false,
  italic: false,
  underline: false,
  strike: false,
  code: false,
  link: null,
  header: null,
  list: null,
  blockquote: false,
  codeBlock: false,
  canUndo: false,
  canRedo: false,
  editable: true,
  selectionEmpty: false,
}

let place: HTMLElement
let formats: Formats
let changed: () => void
const run = vi.fn<(command: Command) => void>()
const askForLink = vi.fn()

beforeEach(() => {
  place = document.body.appendChild(document.createElement('div'))
  formats = plain
  run.mockClear()
  const editor = {
    formats: () => formats,
    run,
    subscribe(listener: () => void) {
      changed = listener
      return () => {}
    },
  } as unknown as Editor
  act(() => render(<Toolbar editor={editor} askForLink={askForLink} />, place))
})
afterEach(() => {
  render(null, place)
  place.remove()
})

const control = (label: string) => place.querySelector<HTMLButtonElement>(`[aria-label="${label}"]`)!
const become = (next: Partial<Formats>) =>
  act(() => {
    formats = { ...plain, ...next }
    changed()
  })
const key = (name: string) =>
  document.activeElement!.dispatchEvent(
    new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true }),
  )

test('a control shows what the selection has', () => {
  expect(control('Bold').getAttribute('aria-pressed')).toBe('false')
  become({ bold: true, header: 2 })
  expect(control('Bold').getAttribute('aria-pressed')).toBe('true')
  expect(control('Paragraph style: Heading 2')).not.toBeNull()
})

test('a press runs the command; a list that is on goes off', () => {
  control('Bold').click()
  control('Numbered list').click()
  become({ list: 'ordered' })
  control('Numbered list').click()
  control('Link').click()
  expect(run.mock.calls.map(([command]) => command)).toEqual([
    { name: 'bold' },
    { name: 'list', kind: 'ordered' },
    { name: 'list', kind: null },
  ])
  expect(askForLink).toHaveBeenCalledOnce()
})

test('what is of no use says so and does nothing', () => {
  expect(control('Undo').getAttribute('aria-disabled')).toBe('true')
  control('Undo').click()
  become({ editable: false, canUndo: true })
  control('Undo').click()
  control('Bold').click()
  expect(run).not.toHaveBeenCalled()
})

test('a press leaves the selection in the text', () => {
  const press = new MouseEvent('mousedown', { bubbles: true, cancelable: true })
  control('Bold').dispatchEvent(press)
  expect(press.defaultPrevented).toBe(true)
})

test('the bar is one stop for Tab, arrows move within', () => {
  const stops = () =>
    Array.from(place.querySelectorAll<HTMLElement>('button[tabindex="0"]'), each =>
      each.getAttribute('aria-label'),
    )
  expect(stops()).toEqual(['Undo'])
  control('Undo').focus()
  key('ArrowRight')
  key('ArrowRight')
  expect(document.activeElement).toBe(control('Paragraph style: Text'))
  expect(stops()).toEqual(['Paragraph style: Text'])
  key('End')
  expect(document.activeElement).toBe(control('Clear formatting'))
  key('ArrowRight')
  expect(document.activeElement).toBe(control('Undo'))
  become({ bold: true })
  expect(stops()).toEqual(['Undo'])
})
