import { useEffect } from 'preact/hooks'
import { strings } from '../strings'
import { Message } from './message'

const AGAIN_MS = 5000

/** The server does not answer: tries again by itself, and when told to. */
export function Unreachable({ retry }: { retry(): void }) {
  useEffect(() => {
    const timer = setInterval(retry, AGAIN_MS)
    addEventListener('online', retry)
    return () => {
      clearInterval(timer)
      removeEventListener('online', retry)
    }
  }, [retry])
  return (
    <Message words={strings.unreachable}>
      <button type="button" class="button primary" onClick={retry}>
        {strings.retry}
      </button>
    </Message>
  )
}
