import { strings } from '../strings'
import comet from './comet.svg'

/** The comet and the name. */
export function Wordmark() {
  return (
    <span class="wordmark">
      <img src={comet} alt="" width="22" height="22" />
      {strings.product}
    </span>
  )
}
