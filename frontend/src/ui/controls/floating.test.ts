import { expect, test } from 'vitest'
import { place } from './floating'

const view = { width: 375, height: 600 }
const box = { width: 200, height: 100 }
const anchor = (left: number, top: number) => ({ left, right: left + 40, top, bottom: top + 30 })

test('below the anchor, in line with its edge', () => {
  expect(place(anchor(50, 50), box, view, 'start')).toEqual({ left: 50, top: 86 })
  expect(place(anchor(250, 50), box, view, 'end')).toEqual({ left: 90, top: 86 })
  expect(place(anchor(150, 50), box, view, 'center')).toEqual({ left: 70, top: 86 })
})

test('above where there is no room below', () => {
  expect(place(anchor(50, 550), box, view, 'start')).toEqual({ left: 50, top: 444 })
})

test('never outside of the window', () => {
  expect(place(anchor(330, 50), box, view, 'start').left).toBe(167)
  expect(place(anchor(0, 50), box, view, 'end').left).toBe(8)
  expect(place(anchor(0, 300), { width: 200, height: 590 }, view, 'end').top).toBe(8)
})
