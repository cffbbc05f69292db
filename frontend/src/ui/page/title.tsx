import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { Problem } from '../../protocol/wire'
import { toast } from '../controls/toast'
import { problemText } from '../problemText'
import { strings } from '../strings'

const SAVE_AFTER_MS = 600
const RETRY_MS = 5000

interface TitleProps {
  /** As the server knows it. */
  title: string
  readOnly: boolean
  /** Begin here rather than in the text. */
  focusFirst: boolean
  save(title: string): Promise<void>
  /** On into the text. */
  leave(): void
}

/** The page's title, edited where it stands. */
export function Title({ title, readOnly, focusFirst, save, leave }: TitleProps) {
  const ref = useRef<HTMLTextAreaElement>(null)
  /** What was last sent or heard: what is typed beyond it is not saved yet. */
  const known = useRef(title)
  /** Whether the last try failed, which is said once. */
  const failed = useRef(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  const store = (field: HTMLTextAreaElement) => {
    clearTimeout(timer.current)
    const typed = field.value.trim()
    if (typed === known.current) return
    const before = known.current
    known.current = typed
    save(typed).then(
      () => {
        failed.current = false
      },
      error => {
        // The words stay in the field, and are not saved.
        if (known.current === typed) known.current = before
        if (!failed.current) toast(strings.page.titleFailed(problemText(error)), { tone: 'bad' })
        failed.current = true
        if (isPassing(error) && field.isConnected) timer.current = setTimeout(() => store(field), RETRY_MS)
      },
    )
  }

  useEffect(() => {
    const field = ref.current!
    const untouched = field.value.trim() === known.current
    known.current = title
    if (untouched && field.value.trim() !== title) field.value = title
    grow(field)
  }, [title])
  useLayoutEffect(() => {
    const field = ref.current!
    field.value = title
    grow(field)
    if (focusFirst && !readOnly) field.focus()
    const regrow = () => grow(field)
    addEventListener('resize', regrow)
    return () => {
      removeEventListener('resize', regrow)
      store(field)
    }
  }, [])

  return (
    <h1 class="title">
      <textarea
        ref={ref}
        rows={1}
        readOnly={readOnly}
        placeholder={strings.untitled}
        aria-label={strings.page.title}
        spellcheck
        onInput={event => {
          const field = event.currentTarget
          if (/[\r\n]/.test(field.value)) field.value = field.value.replace(/[\r\n]+/g, ' ')
          grow(field)
          clearTimeout(timer.current)
          timer.current = setTimeout(() => store(field), SAVE_AFTER_MS)
        }}
        onBlur={event => store(event.currentTarget)}
        onKeyDown={event => {
          if (event.isComposing) return
          const field = event.currentTarget
          const atEnd = field.selectionEnd === field.value.length
          if (event.key === 'Enter' || (event.key === 'ArrowDown' && atEnd)) {
            event.preventDefault()
            leave()
          }
        }}
      />
    </h1>
  )
}

/** Whether the same may work later: no answer came, or a busy or full server's. */
function isPassing(error: unknown): boolean {
  return error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500)
}

/** Makes the field as high as its text. */
function grow(field: HTMLTextAreaElement): void {
  field.style.height = 'auto'
  field.style.height = `${field.scrollHeight}px`
}
