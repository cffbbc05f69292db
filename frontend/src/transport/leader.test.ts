import { expect, test } from 'vitest'
import { Leader } from './leader'
import type { Asked } from './line'

test('many tabs take as many lines as their pages times clients need', () => {
  const opened: Asked[] = []
  const due: (() => void)[] = []
  const later = (_: number, run: () => void) => {
    due.push(run)
    return () => {}
  }
  const open = (asked: Asked) => {
    opened.push(asked)
    return { heardAt: 0, hurry() {}, close() {} }
  }
  const leader = new Leader({
    clock: { now: () => 0, after: later },
    openLine: open,
    say() {},
  })
  const wanted = Array.from({ length: 60 }, (_, i) => ({
    client: `client-${i}`,
    page: `page-${i}`,
    epoch: 'e',
    seq: 0,
  }))
  leader.follow('tab', wanted, false, false)
  due.pop()?.()
  leader.close()
  expect(opened.flatMap(({ clients }) => clients).length).toBe(60)
  for (const { clients, positions } of opened) {
    expect(clients.length * positions().size).toBeLessThanOrEqual(500)
  }
  expect(opened.length).toBe(3)
})
