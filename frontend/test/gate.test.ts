import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Gate } from '../src/binding/inbox'

describe('the gate for others’ changes', () => {
  let opened = 0
  let gate: Gate
  beforeEach(() => {
    vi.useFakeTimers()
    opened = 0
    gate = new Gate(() => {
      opened++
    })
  })
  afterEach(() => {
    gate.close()
    vi.useRealTimers()
  })

  it('opens once for what comes within a frame', () => {
    gate.knock(true)
    gate.knock(true)
    gate.knock(false)
    vi.advanceTimersByTime(16)
    expect(opened).toBe(1)
    vi.advanceTimersByTime(1000)
    expect(opened).toBe(1)
  })

  it('stays shut while a composition runs, and opens a moment after it', () => {
    gate.composes()
    gate.knock(true)
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(1900)
      gate.composes()
    }
    expect(opened).toBe(0)
    gate.composed()
    vi.advanceTimersByTime(49)
    expect(opened).toBe(0)
    vi.advanceTimersByTime(1)
    expect(opened).toBe(1)
  })

  it('opens two seconds after the last sign of a composition', () => {
    gate.composes()
    gate.knock(false)
    vi.advanceTimersByTime(2000)
    expect(opened).toBe(1)
    gate.knock(false)
    vi.advanceTimersByTime(150)
    expect(opened).toBe(2)
  })

  it('stays shut where the next composition follows at once', () => {
    gate.composes()
    gate.composed()
    vi.advanceTimersByTime(30)
    gate.composes()
    vi.advanceTimersByTime(1000)
    expect(opened).toBe(0)
  })
})
