import { useEffect, useRef, useState } from 'preact/hooks'
import type { Status } from '../../protocol/session'
import { statusText } from '../statusText'
import { strings } from '../strings'

/** Says how what was written stands: calm while all is well, clear when not. */
export function StatusChip({ status }: { status: Status }) {
  const { text, short, detail, tone } = statusText(status)
  return (
    <>
      <span class={`status ${tone}`} data-tip={detail || undefined} data-status={status.tag}>
        <span class="dot" />
        <span class="long" aria-hidden="true">
          {text}
        </span>
        <span class="short" aria-hidden="true">
          {short}
        </span>
        <span class="visually-hidden">{text}</span>
      </span>
      <Announcement status={status} />
    </>
  )
}

/**
 * Tells readers of the screen when something begins to be wrong and when it is
 * well again; not each save, which would talk over what is being written.
 */
function Announcement({ status }: { status: Status }) {
  const { tone, text, detail } = statusText(status)
  const troubled = useRef(false)
  const [words, setWords] = useState('')
  useEffect(() => {
    if (tone !== 'fine') {
      troubled.current = true
      setWords(`${text}. ${detail}`)
    } else if (troubled.current && status.tag === 'saved') {
      troubled.current = false
      setWords(strings.status.announceFine)
    }
  }, [tone, status.tag])
  return (
    <span class="visually-hidden" role="status" aria-live="polite">
      {words}
    </span>
  )
}
