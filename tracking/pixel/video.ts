import { doc, listen } from './host.ts'
import { capture } from './queue.ts'
import { cleanUrl } from './url.ts'

/** How far each one has been played, as the last quarter that was reported, in per cent. */
const reached = new WeakMap<EventTarget, number>()
const quarter = 25

/** Video and audio: the first start, a quarter, half, three quarters, the end. */
export const watchVideo = (): void =>
  listen(doc, 'play timeupdate ended', ({ target }) => {
    const media = target as HTMLMediaElement
    const now = Math.floor((media.currentTime / media.duration) * 4) * quarter || 0
    let progress = reached.get(media) ?? -quarter
    while (progress < now) {
      progress += quarter
      reached.set(media, progress)
      capture('video', {
        action: progress ? (progress < 100 ? 'progress' : 'complete') : 'start',
        progress,
        src: cleanUrl(media.currentSrc),
        id: media.id,
      })
    }
  })
