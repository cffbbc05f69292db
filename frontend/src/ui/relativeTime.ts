import { signal } from '@preact/signals'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const sameYear = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' })
const otherYear = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' })

/**
 * How long ago something was, as people say it. A time in the future, which
 * clocks that differ make, counts as now.
 */
export function relativeTime(then: Date, now: Date): string {
  const age = now.getTime() - then.getTime()
  if (age < 45_000) return 'just now'
  if (age < HOUR - MINUTE / 2) return relative.format(-Math.max(1, Math.round(age / MINUTE)), 'minute')
  const days = calendarDays(then, now)
  if (age < DAY && (days === 0 || age < 6 * HOUR)) return relative.format(-Math.round(age / HOUR), 'hour')
  if (days < 7) return relative.format(-Math.max(1, days), 'day')
  return (then.getFullYear() === now.getFullYear() ? sameYear : otherYear).format(then)
}

/** Midnights between two times, in local time. */
function calendarDays(then: Date, now: Date): number {
  const midnight = (time: Date) => new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime()
  return Math.round((midnight(now) - midnight(then)) / DAY)
}

/** The time now, renewed every half minute while the tab is seen. */
export const now = signal(new Date())

setInterval(() => {
  if (!document.hidden) now.value = new Date()
}, 30_000)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) now.value = new Date()
})
