// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Problem } from '../../protocol/wire'
import { Title } from './title'

let place: HTMLElement
const field = () => place.querySelector('textarea')!
const saved: string[] = []
let save = async (title: string) => void saved.push(title)
const leave = vi.fn()

const show = (title: string) =>
  act(() =>
    render(
      <Title title={title} readOnly={false} focusFirst save={title => save(title)} leave={leave} />,
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
  save = async title => void saved.push(title)
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

test("somebody else's title comes in, but not over what is being typed", () => {
  show('Comet')
  show('Comets')
  expect(field().value).toBe('Comets')
  type('Comets and m')
  show('Stars')
  expect(field().value).toBe('Comets and m')
  vi.runAllTimers()
  expect(saved).toEqual(['Comets and m'])
})

test('what the server could not take for now is sent again', async () => {
  let tries = 0
  save = async title => {
    if (++tries < 3) throw new Problem(503, 'draining', '')
    saved.push(title)
  }
  show('Comet')
  type('Comets')
  await vi.runAllTimersAsync()
  expect(saved).toEqual(['Comets'])
  expect(tries).toBe(3)
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
