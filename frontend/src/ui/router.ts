import { signal } from '@preact/signals'
import { parseRoute } from './route'

/** Where the browser is now; changes with the history. */
export const route = signal(parseRoute(new URL(location.href)))

/**
 * Goes to an address within the app. `fresh` tells the screen there that what
 * it shows has just been made.
 */
export function navigate(href: string, how: { replace?: boolean; fresh?: boolean } = {}): void {
  const state = how.fresh ? { fresh: true } : null
  if (how.replace) history.replaceState(state, '', href)
  else {
    history.pushState(state, '', href)
    scrollTo(0, 0)
  }
  route.value = parseRoute(new URL(location.href))
}

/** Whether the screen that is open was just made by the person who sees it. */
export function isFresh(): boolean {
  return history.state?.fresh === true
}

addEventListener('popstate', () => {
  route.value = parseRoute(new URL(location.href))
})

/** A plain click on a link within the app stays in it; any other is the browser's. */
addEventListener('click', event => {
  if (event.defaultPrevented || event.button !== 0) return
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const link = (event.target as Element).closest('a')
  if (!link || link.target || link.download || link.origin !== location.origin) return
  if (link.isContentEditable || parseRoute(new URL(link.href)).screen === 'unknown') return
  event.preventDefault()
  navigate(link.href)
})
