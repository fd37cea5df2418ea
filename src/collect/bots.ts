import { isbot } from 'isbot'

/** What becomes of the events of a known bot: marked with `"bot":true`, dropped, or (also when it is none) left alone. */
export type Bot = 'mark' | 'drop' | 'keep'

/** User agents whose answer is remembered: the list of patterns is long. */
const rememberedMax = 5_000

/**
 * Judges browser traffic only, known by its Origin: a bot runs the pixel on a page, whereas a server that sends events
 * has a user agent that every such list calls a bot.
 */
export const createBotJudge = (mode: Bot): ((userAgent: string | undefined, origin: string | undefined) => Bot) => {
  const remembered = new Map<string, boolean>()
  const isBot = (userAgent: string): boolean => {
    let answer = remembered.get(userAgent)
    if (answer === undefined) {
      answer = isbot(userAgent)
      if (remembered.size >= rememberedMax) remembered.clear()
      remembered.set(userAgent, answer)
    }
    return answer
  }
  return (userAgent, origin) =>
    mode === 'keep' || origin === undefined || userAgent === undefined || !isBot(userAgent) ? 'keep' : mode
}
