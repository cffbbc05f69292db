import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { strings } from '../strings'
import { Wordmark } from './logo'

/** A screen that has one thing to say and offers what to do. */
export function Message({ words, children }: { words: string[]; children?: ComponentChildren }) {
  const [title, ...sentences] = words
  useEffect(() => {
    document.title = strings.documentTitle(title ?? '')
  }, [title])
  return (
    <main class="message">
      <Wordmark />
      <h1>{title}</h1>
      {sentences.map(sentence => (
        <p key={sentence}>{sentence}</p>
      ))}
      <div class="actions">{children}</div>
    </main>
  )
}
