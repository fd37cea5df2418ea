import type { Destination } from '../storage/destination.ts'
import { type VerifyReport, verifyDestination } from './verify.ts'

export type Verified = { destination: string } & VerifyReport
/** How far a verification is: bytes that the manifests claim, and how many of them were looked at; 0 of 0 while manifests are read. */
export type VerifyingPlace = { destination: string; done_bytes: number; total_bytes: number; finished: boolean }

export type Verification = {
  /** Verifies every destination. Who asks while one is under way is given its outcome: it reads all there is, once is enough. */
  run(): Promise<Verified[]>
  progress(): VerifyingPlace[] | undefined
}

/** Verifies destinations from their manifests and from what each keeps of its files. */
export const createVerification = (destinations: readonly Destination[]): Verification => {
  let running: { outcome: Promise<Verified[]>; places: VerifyingPlace[] } | undefined

  const verify = async (destination: Destination, place: VerifyingPlace): Promise<Verified> => {
    const { chain: _chain, ...report } = await verifyDestination(destination, {
      full: false,
      onProgress(done, total) {
        place.done_bytes = done
        place.total_bytes = total
      },
    })
    place.finished = true
    return { destination: destination.name, ...report }
  }
  const begin = () => {
    const places = destinations.map(({ name }) => ({
      ...{ destination: name, done_bytes: 0, total_bytes: 0, finished: false },
    }))
    const outcome = Promise.all(destinations.map((one, n) => verify(one, places[n] as VerifyingPlace)))
    const over = (): void => {
      running = undefined
    }
    outcome.then(over, over)
    return { outcome, places }
  }
  return {
    run() {
      running ??= begin()
      return running.outcome
    },
    progress: () => running?.places,
  }
}
