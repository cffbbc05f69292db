// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { TitleSave } from '../../protocol/title'
import { Problem } from '../../protocol/wire'
import { Title } from './title'

let place: HTMLElement
const field = () => place.querySelector('textarea')!
const saved: string[] = []
const take = async ({ title }: TitleSave) => {
  saved.push(title)
  return title
}
let save = take
const leave = vi.fn()

const show = (title: string) =>
  act(() =>
    render(
      <Title title={title} readOnly={false} focusFirst save={next => save(next)} leave={leave} />,
      place,
    ),
  )
const type = (text: string) => {
  field().value = text
  field().dispatchEvent(new InputEvent('input', { bubbles: true }))
}

beforeEach(() => {
  vi.useFakeTimers()
  place = document.body.appendChild(document.createElement('div'))
})
afterEach(() => {
  render(null, place)
  place.remove()
  saved.length = 0
  save = take
  vi.useRealTimers()
})

test('what is typed is saved once, a moment after the last letter', () => {
  show('')
  type('Com')
  type('Comet')
  expect(saved).toEqual([])
  vi.runAllTimers()
  expect(saved).toEqual(['Comet'])
  field().dispatchEvent(new FocusEvent('blur'))
  expect(saved).toEqual(['Comet'])
})

test("somebody else's title comes in beside what is typed, and the caret stays at its word", async () => {
  show('Comet')
  show('Comets')
  expect(field().value).toBe('Comets')
  type('Comets and m')
  field().setSelectionRange(12, 12)
  show('The Comets')
  expect(field().value).toBe('The Comets and m')
  expect(field().selectionStart).toBe(16)
  await vi.runAllTimersAsync()
  expect(saved).toEqual(['The Comets and m'])
})

test('while a save is on its way others wait; its answer says what became of both', async () => {
  const sent: TitleSave[] = []
  let answer = (_: string) => {}
  save = next => {
    sent.push(next)
    return new Promise(resolve => {
      answer = resolve
    })
  }
  show('Same')
  type('SameAlpha')
  await vi.advanceTimersByTimeAsync(1000)
  type('SameAlpha!')
  show('SameAlphaBeta')
  expect(field().value).toBe('SameAlpha!')
  answer('SameAlphaBeta')
  await vi.advanceTimersByTimeAsync(1)
  expect(field().value).toBe('SameAlpha!Beta')
  expect(sent.map(({ base, title }) => [base, title])).toEqual([
    ['Same', 'SameAlpha'],
    ['SameAlphaBeta', 'SameAlpha!Beta'],
  ])
  expect(sent[0]!.key).not.toBe(sent[1]!.key)
})

test("undo takes back one's own words, and leaves the others'", async () => {
  show('Plan')
  type('Plan B')
  show('The Plan')
  expect(field().value).toBe('The Plan B')
  const undo = (shiftKey: boolean) =>
    field().dispatchEvent(
      new KeyboardEvent('keydown', { key: 'z', ctrlKey: true, shiftKey, bubbles: true, cancelable: true }),
    )
  expect(undo(false), 'left to the browser').toBe(false)
  expect(field().value).toBe('The Plan')
  undo(true)
  expect(field().value).toBe('The Plan B')
  await vi.runAllTimersAsync()
  expect(saved).toEqual(['The Plan B'])
})

test('what the server could not take for now is sent again', async () => {
  let tries = 0
  const keys = new Set<string>()
  save = async next => {
    keys.add(next.key)
    if (++tries < 3) throw new Problem(503, 'draining', '')
    return take(next)
  }
  show('Comet')
  type('Comets')
  await vi.runAllTimersAsync()
  expect(saved).toEqual(['Comets'])
  expect(tries).toBe(3)
  expect(keys.size, 'the same save each time').toBe(1)
})

test('what the server refuses is not sent again by itself', async () => {
  let tries = 0
  save = async () => {
    tries++
    throw new Problem(422, 'bad-request', '', 'The title is too long.')
  }
  show('Comet')
  type('Comets')
  await vi.runAllTimersAsync()
  expect(tries).toBe(1)
  expect(field().value).toBe('Comets')
})

test('a title is one line; Enter goes on into the text', () => {
  show('')
  type('two\r\nlines')
  expect(field().value).toBe('two lines')
  field().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }))
  expect(leave).toHaveBeenCalled()
})

test('what was typed last is saved when the page is left', () => {
  show('Comet')
  type('Comets')
  act(() => render(null, place))
  expect(saved).toEqual(['Comets'])
})
