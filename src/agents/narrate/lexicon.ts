import type { FactMetric } from '../fact.ts'

/**
 * The words that a text may not have, or only beside a fact that bears them out. Words are compared in lower case and
 * without accents; the text is English, so that a number in another language stands out: its words are listed, too.
 */
const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

const numberWords = words(`
  zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
  nineteen twenty thirty forty fourty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million millions
  billion billions trillion trillions second seconds third thirds fourth fourths fifth fifths sixth sixths seventh sevenths
  eighth eighths ninth ninths tenth tenths eleventh twelfth twentieth hundredth hundredths thousandth
  once twice thrice single singles double doubles doubled doubling triple triples tripled tripling treble quadruple
  quadrupled quintuple half halves halved halving quarter quarters dozen dozens couple pair pairs trio duo
  none nil naught nought nobody everybody everyone every all entire entirely most majority minority plenty many
  several few numerous lots handful bulk fraction portion
  percent percents percentage percentages cent cents permille times fold ones tens
  null eins ein eine einer zwei drei vier funf fuenf sechs sieben acht neun zehn zwolf zwoelf zwanzig dreissig vierzig
  halb halbe halber hundert tausend millionen prozent doppelt doppelte halfte haelfte drittel viertel dutzend
  un deux trois quatre cinq sept huit neuf dix onze douze vingt trente quarante cinquante soixante cent mille moitie
  quart demi demie douzaine uno una dos tres cuatro cinco seis siete ocho nueve diez doce veinte treinta cien ciento
  mil mitad medio doble triple docena dois duas quatro oito dez vinte cem metade dobro tre quattro cinque sei
  sette otto dieci venti cento mezzo doppio een twee drie vijf zes zeven negen twaalf twintig honderd
  duizend helft dubbel procent
`)
const tens = '(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)'
const ones = '(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million)'
const numberShapes: readonly RegExp[] = [
  new RegExp(`^(?:${tens}|${ones}|many|several)*(?:${tens}|${ones})(?:s|th|fold|teen)?$`),
  /(?:zwanzig|dreissig|vierzig|funfzig|sechzig|siebzig|achtzig|neunzig|hundert|tausend|zehn|fach)$/,
  /^(?:twen|thir|four|fif|six|seven|eigh|nine)t(?:y|ieth|ies|een|eens|eenth)$/,
]
/** As numbers are written with letters; `I` is a person and `MIX` a word. */
const roman = /^(?=[IVXLCDM]{2,}$)M{0,4}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})$/

/** Letters by themselves spell numbers, but for the words `a` and `I` and the ends of contractions. */
export const isNumberWord = (raw: string): boolean => {
  const word = bare(raw)
  if (word.length === 1) return !['a', 'i', 's', 't'].includes(word)
  return numberWords.has(word) || numberShapes.some((shape) => shape.test(word)) || roman.test(raw)
}

/** Claims that no fact can bear out. */
export const judgements = words(`
  better worse best worst improve improves improved improving improvement worsen worsens worsened worsening faster slower
  fastest slowest quicker quickest
`)
export const causes = words(`
  because cause causes caused causing due owing thanks therefore hence consequently drove drives driven driving resulted
  resulting attributable trigger triggers triggered
`)
export const calendar = words(`
  monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays
  january february april june july august september october november december yesterday today tomorrow tonight weekend
  weekends ago week weeks weekly month months monthly year years yearly annual hour hours hourly minute minutes night nights
  morning evening afternoon
`)
/** Names that a text could make up: who is meant is referred to. */
export const madeUpNames = words(`
  google bing yahoo duckduckgo baidu yandex facebook instagram meta tiktok twitter linkedin youtube reddit pinterest whatsapp
  snapchat amazon chrome safari firefox edge opera iphone ipad android ios windows mac macos linux apple samsung phone phones
  smartphone smartphones computer computers laptop laptops chatgpt
`)
/** How a sentence begins that says what to do: the only kind that may do without a figure. */
export const advice = words(`
  look check compare consider watch test review ask see start begin go try open keep
`)
export const negations = words(`
  not no never without neither nor hardly barely scarcely cannot failed unless isn aren wasn weren didn doesn don hasn haven
  won wouldn couldn
`)

export const directions: Readonly<Record<'up' | 'down' | 'flat', ReadonlySet<string>>> = {
  up: words(`
    rise rises rose risen rising increase increases increased increasing grow grows grew grown growing growth climb climbs
    climbed climbing gain gains gained gaining jump jumps jumped jumping surge surges surged soar soared soaring spike spiked
    higher more greater above exceed exceeds exceeded exceeding up upward upwards larger bigger longer stronger heavier
    outperform outperformed over additional extra ahead rally rallied boom boomed boost boosted swell swelled rebound rebounded recover recovered
    recovery climbing uptick upswing
  `),
  down: words(`
    fall falls fell fallen falling decrease decreases decreased decreasing decline declines declined declining drop drops
    dropped dropping shrink shrinks shrank shrunk lower less fewer below down downward downwards smaller shorter weaker dip
    dips dipped slump slumped plunge plunged tumble tumbled reduce reduces reduced reduction slide slid sink sank under
    underperform underperformed behind lag lagged loses collapse collapsed crash crashed vanish vanished disappear disappeared
    slip slipped erode eroded weaken weakened shed recede receded downturn downtick
  `),
  flat: words('unchanged stable steady flat constant identical similar alike'),
}
export const superlatives: Readonly<Record<'up' | 'down', ReadonlySet<string>>> = {
  up: words('highest largest biggest greatest longest strongest top peak maximum leading chief main primary dominant'),
  down: words('lowest smallest least shortest weakest fewest minimum bottom'),
}

/** The word that a sentence has to name a figure by, so that the right number never stands for the wrong thing. */
const families: readonly (readonly [family: string, metrics: RegExp, nouns: RegExp])[] = [
  ['attribution', /^attribution_/, /\b(?:credit\w*|attribut\w+|conversions?|paths?|models?|channels?)\b/],
  ['cohort', /^cohort_/, /\b(?:cohorts?|return\w*|came back|come back)\b/],
  ['segment', /^segment_(?:size|share)$/, /\b(?:segments?|people|members?|visitors?)\b/],
  ['chance', /_(?:p|q)_value$/, /\b(?:chance|tests?|tested|evidence|value)\b/],
  [
    'dropoff',
    /^(?:step_dropoff|step_lost|dropoff_(?!lost_revenue))/,
    /\b(?:drop-?offs?|drop off|lost|loss\w*|left|leav\w+)\b/,
  ],
  ['revenue', /revenue|order_value|lifetime_value|monetary/, /\b(?:revenue|sales|takings|worth|money|value)\b/],
  ['orders', /^(?:orders|segment_orders|expected_orders)$/, /\b(?:orders?|ordered|purchas\w+|bought)\b/],
  ['conversion', /conversion/, /\b(?:conver\w+|continu\w+|went on|completed|completion)\b/],
  ['new', /^new_visitors$/, /\bnew\b/],
  ['returning', /^returning_visitors$/, /\breturn\w*\b/],
  ['visitors', /^visitors$/, /\b(?:visitors?|people)\b/],
  [
    'sessions',
    /^(?:sessions|session_share|journey_sessions|step_entered|entries|exits|exit_share)$/,
    /\b(?:sessions?|visits?|entr\w+|enter\w*|exit\w*|began|started|reached)\b/,
  ],
  ['time', /seconds/, /\b(?:time|long|longer|shorter|took|takes|spent|attention|engag\w+|duration|wait\w*)\b/],
  [
    'pages',
    /^(?:pageviews|page_views|pages_per_session|page_load_p75)$/,
    /\b(?:pages?|pageviews?|views?|viewed|load\w*)\b/,
  ],
  ['bounce', /^bounce_share$/, /\bbounc\w+\b/],
  ['searches', /^searches$/, /\bsearch\w*\b/],
  [
    'friction',
    /^(?:js_errors|rage_clicks|form_errors|form_abandons)$/,
    /\b(?:errors?|rage|clicks?|abandon\w*|forms?|scripts?)\b/,
  ],
  ['clicks', /^(?:clicks|click_share|scroll_reached)$/, /\b(?:click\w*|scroll\w*|depth|seen|saw)\b/],
  ['odds', /^odds_ratio$/, /\b(?:odds|coincid\w+|associat\w+)\b/],
  ['events', /^events$/, /\bevents?\b/],
  ['paths', /^(?:transition|variant_share)$/, /\b(?:paths?|routes?|steps?|journeys?|went|moved|transitions?)\b/],
  [
    'quality',
    /^quality_/,
    /\b(?:tracking|events?|volume|loss|lost|clocks?|late|duplicat\w*|reject\w*|bots?|consent\w*|identif\w*|silen\w*|missing|unread)\b/,
  ],
]
export const familyOf = (metric: FactMetric): { family: string; nouns: RegExp } | undefined => {
  const found = families.find(([, metrics]) => metrics.test(metric))
  return found && { family: found[0], nouns: found[2] }
}

/** Lower case, without accents. */
export const bare = (word: string): string => word.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')
/** What is written between spaces and marks. `drop-off` is a figure and no direction. */
export const wordsOf = (text: string): string[] =>
  text
    .replace(/\bdrop-?\s?offs?\b/gi, ' ')
    .split(/[^\p{L}\p{M}]+/u)
    .filter((word) => word !== '')
