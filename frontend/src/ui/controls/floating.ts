import type { RefObject } from 'preact'
import { useLayoutEffect } from 'preact/hooks'

const GAP = 6
const MARGIN = 8

/** How a floating box stands to its anchor: which edges are in line. */
export type Align = 'start' | 'end' | 'center'

/**
 * Puts a fixed box of the given size below its anchor, above where there is
 * no room below, and always inside the window. Pure; all in CSS pixels.
 */
export function place(
  anchor: { left: number; right: number; top: number; bottom: number },
  box: { width: number; height: number },
  view: { width: number; height: number },
  align: Align,
): { left: number; top: number } {
  const wanted = {
    start: anchor.left,
    end: anchor.right - box.width,
    center: (anchor.left + anchor.right - box.width) / 2,
  }[align]
  const below = anchor.bottom + GAP
  const above = anchor.top - GAP - box.height
  const fitsBelow = below + box.height <= view.height - MARGIN
  return {
    left: clamp(wanted, MARGIN, view.width - MARGIN - box.width),
    top: clamp(fitsBelow || above < MARGIN ? below : above, MARGIN, view.height - MARGIN - box.height),
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high))
}

/** Shows an element in the top layer, by `anchor`. */
export function showBy(element: HTMLElement, anchor: DOMRect, align: Align): void {
  if (!element.matches(':popover-open')) element.showPopover()
  // What an on-screen keyboard covers is no room.
  const height = window.visualViewport?.height ?? innerHeight
  const view = { width: document.documentElement.clientWidth, height }
  const { left, top } = place(anchor, element.getBoundingClientRect(), view, align)
  element.style.left = `${left}px`
  element.style.top = `${top}px`
}

/**
 * A box in the top layer (an element with `popover="manual"`) while the
 * component is there. `close` is called on Escape, and on a press or focus
 * elsewhere.
 */
export function useFloating(
  box: RefObject<HTMLElement | null>,
  anchor: () => DOMRect | null | undefined,
  align: Align,
  close: (why: 'escape' | 'elsewhere') => void,
  isAnchor: (target: Node) => boolean = () => false,
): void {
  useLayoutEffect(() => {
    const element = box.current
    const rect = anchor()
    if (!element || !rect) return
    showBy(element, rect, align)

    const stop = new AbortController()
    const { signal } = stop
    const elsewhere = (event: Event) => {
      const target = event.target as Node
      if (!element.contains(target) && !isAnchor(target)) close('elsewhere')
    }
    addEventListener('pointerdown', elsewhere, { capture: true, signal })
    addEventListener('focusin', elsewhere, { signal })
    // Also when a keyboard comes up for a field in the box itself.
    const replace = () => showBy(element, anchor() ?? rect, align)
    addEventListener('resize', replace, { signal })
    window.visualViewport?.addEventListener('resize', replace, { signal })
    element.addEventListener(
      'keydown',
      event => {
        if (event.key !== 'Escape') return
        event.preventDefault()
        event.stopPropagation()
        close('escape')
      },
      { signal },
    )
    return () => {
      stop.abort()
      if (element.matches(':popover-open')) element.hidePopover()
    }
  }, [])
}
