import { useEffect, useRef } from 'preact/hooks'
import { keyCaps } from '../keys'
import { showBy } from './floating'

const DELAY_MS = 450

/** A shortcut as the keys to press. */
export function Keys({ keys }: { keys: string }) {
  return (
    <span class="keys" aria-hidden="true">
      {keyCaps(keys).map(cap => (
        <kbd key={cap}>{cap}</kbd>
      ))}
    </span>
  )
}

/**
 * The one tooltip of the app. An element asks for it with `data-tip` (and
 * `data-keys`, a shortcut). It only repeats what the element's own name says,
 * so readers of the screen do not hear it.
 */
export function Tooltip() {
  const ref = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const box = ref.current!
    const stop = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let shownFor: Element | null = null

    const hide = () => {
      clearTimeout(timer)
      shownFor = null
      if (box.matches(':popover-open')) box.hidePopover()
    }
    const show = (target: HTMLElement) => {
      const { tip, keys } = target.dataset
      if (!target.isConnected || !tip) return
      box.textContent = tip
      for (const cap of keys ? keyCaps(keys) : []) {
        box.append(Object.assign(document.createElement('kbd'), { textContent: cap }))
      }
      showBy(box, target.getBoundingClientRect(), 'center')
    }
    const consider = (event: Event) => {
      const target = (event.target as Element | null)?.closest?.<HTMLElement>('[data-tip]') ?? null
      if (target === shownFor) return
      hide()
      if (!target) return
      shownFor = target
      timer = setTimeout(() => show(target), DELAY_MS)
    }
    const options = { signal: stop.signal, passive: true }
    addEventListener(
      'pointerover',
      event => {
        if (event.pointerType === 'mouse') consider(event)
      },
      options,
    )
    addEventListener(
      'focusin',
      event => {
        if ((event.target as Element).matches(':focus-visible')) consider(event)
        else hide()
      },
      options,
    )
    for (const end of ['pointerdown', 'keydown', 'blur', 'focusout']) addEventListener(end, hide, options)
    addEventListener('scroll', hide, { ...options, capture: true })
    return () => {
      stop.abort()
      hide()
    }
  }, [])
  return <div ref={ref} popover="manual" class="tooltip" aria-hidden="true" />
}
