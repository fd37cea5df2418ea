import type { FactMetric } from '../fact.ts'
import { bare, wordSet as words } from './words.ts'

/**
 * The words that a text may not have, or only beside a fact that bears them out. Words are compared in lower case and
 * without accents; the text is English, so that a number in another language stands out: its words are listed, too.
 */
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
  fastest slowest quicker quickest good bad great poor strong weak healthy alarming worrying disappointing impressive
  remarkable excellent terrible broken wrong fine expectations
`)
export const causes = words(`
  because cause causes caused causing due owing thanks therefore hence consequently drove drives driven driving resulted
  resulting attributable trigger triggers triggered reason reasons why as since explain explains explained explaining lead
  leads led leading result results prompt prompts prompted reflect reflects reflected stem stems stemmed so thus
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
/** How a sentence begins that says what to do, and no other: the only kind that may do without a figure. */
export const advice = words(`
  look check compare consider watch test review ask
`)
export const negations = words(`
  not no never without neither nor hardly barely scarcely cannot failed unless isn aren wasn weren didn doesn don hasn haven
  won wouldn couldn
`)

/** All that may be negated: that a change is clear. */
export const noChange = /\b(?:no (?:clear )?change|not clearly)\b/g

/** Words that hold two figures against each other. After a number they make it a difference: `ten more`. */
const above = 'higher more greater above over larger bigger longer stronger heavier ahead'
const below = 'lower less fewer below under smaller shorter weaker behind'
const alike = 'similar identical alike same'
export const comparatives = words(`${above} ${below} ${alike}`)
/** What may be a noun, whose number is that of the change: `an increase of ten`. */
export const changeNouns = words(`
  rise rises increase increases growth climb climbs jump jumps surge surges spike boom swell uptick
  upswing fall falls decrease decreases decline declines drop drops dip dips slump slumps plunge plunges tumble tumbles
  reduction slide collapse crash downturn downtick
`)
/**
 * No verbs whose subject is what was won or lost, nor any that can be turned round: `gained`, `vanished`, `exceeded`; and
 * none that tells of an earlier fall or rise: `recovered`, `rebounded`.
 */
export const directions: Readonly<Record<'up' | 'down' | 'flat', ReadonlySet<string>>> = {
  up: words(`
    ${above} rise rises rose risen rising increase increases increased increasing grow grows grew grown growing growth climb
    climbs climbed climbing jump jumps jumped jumping surge surges surged soar soared soaring spike spiked up upward upwards
    boom boomed swell swelled uptick upswing skyrocket skyrockets
    skyrocketed rocketed leapt leaped mounted
  `),
  down: words(`
    ${below} fall falls fell fallen falling decrease decreases decreased decreasing decline declines declined declining drop
    drops dropped dropping shrink shrinks shrank shrunk down downward downwards dip dips dipped slump slumps slumped plunge
    plunges plunged tumble tumbled reduce reduces reduced reduction slide slid sink sank collapse collapsed crash crashed slip
    slipped erode eroded weaken weakened recede receded downturn downtick plummet plummets plummeted dwindle dwindles dwindled
    nosedived sagged waned ebbed tanked cratered
  `),
  flat: words(`${alike} unchanged stable steady flat constant`),
}
export const superlatives: Readonly<Record<'up' | 'down', ReadonlySet<string>>> = {
  up: words('highest largest biggest greatest longest strongest top peak maximum chief main primary dominant'),
  down: words('lowest smallest least shortest weakest fewest minimum bottom'),
}

/**
 * The word that a sentence has to name a figure by, so that the right number never stands for the wrong thing, and the
 * words of other kinds of figures that may stand beside it: what a share is of.
 */
const families: readonly (readonly [family: string, metrics: RegExp, nouns: RegExp, beside?: string])[] = [
  ['attributed revenue', /^attribution_revenue$/, /\b(?:revenue|sales|takings|money)\b/, 'credited attributed orders'],
  ['conversions', /^attribution_conversions$/, /\bconversions?\b/],
  ['paths', /^attribution_paths$/, /\bpaths?\b/],
  [
    'paths without a conversion',
    /^attribution_null_paths$/,
    /\bpaths?\b.*\bwithout an? conversion\b/,
    'path paths without conversion',
  ],
  ['spread', /^attribution_spread$/, /\bspread\b/, 'credit conversions orders models channels'],
  ['credit', /^attribution_/, /\b(?:credit\w*|attribut\w+)\b/, 'conversions orders models channels'],
  ['activity', /probability_alive$/, /\b(?:active|activity)\b/, 'probability people members'],
  ['cohort', /^cohort_size$/, /\bcohorts?\b/, 'visitors people'],
  ['return', /^cohort_/, /\b(?:return\w*|came back|come back)\b/, 'cohort cohorts visitors people back'],
  ['segment', /^segment_(?:size|share)$/, /\b(?:segments?|people|members?|visitors?)\b/],
  ['chance', /_(?:p|q)_value$/, /\b(?:chance|tests?|tested|evidence|value)\b/],
  // Said of what was expected, and not added to what came: `The drop-off was 40 %, that was expected`.
  ['expected drop-off', /^dropoff_baseline$/, /^[^#]*\bexpected\b/, 'lost left leave sessions visits visitors people'],
  [
    'excess',
    /^dropoff_difference$/,
    /\b(?:higher|lower|above|below|more|fewer|less|difference|gap)\b/,
    'lost left sessions visits visitors people',
  ],
  [
    'excess sessions',
    /^dropoff_lost_sessions$/,
    /\bthan (?:was |were )?expected\b/,
    'lost loss sessions visits visitors people',
  ],
  [
    'lost revenue',
    /^dropoff_lost_revenue$/,
    /^(?=.*\b(?:lost|loss)\b).*\bestimated\b/,
    'lost loss estimated revenue sales money worth orders',
  ],
  [
    'dropoff',
    /^(?:step_dropoff|step_lost|dropoff_)/,
    /\b(?:drop-?offs?|drop off|lost|loss\w*|left|leav\w+)\b/,
    'sessions session visits visitors people',
  ],
  [
    'average order',
    /^average_order_value$/,
    /\b(?:average|mean)\b.*\borders?\b|\borders?\b.*\b(?:average|mean)\b/,
    'order orders worth value',
  ],
  // Of orders, never of an order: that is the average.
  ['revenue', /revenue|lifetime_value|monetary/, /\b(?:revenue|sales|takings|worth|money|value)\b/, 'orders'],
  ['orders', /^(?:orders|segment_orders|expected_orders)$/, /\b(?:orders?|ordered|purchas\w+|bought)\b/],
  [
    'conversion from the first step',
    /^step_conversion_from_first$/,
    /\bfirst\b.*\b(?:conver\w+|continu\w+|went on|completed)\b|\b(?:conver\w+|continu\w+|went on|completed)\b.*\bfirst\b/,
    'first conversion converted converting continued completed on sessions session visits visitors people',
  ],
  [
    'conversion',
    /conversion/,
    /\b(?:conver\w+|continu\w+|went on|completed|completion)\b/,
    'sessions session visits visitors people order orders ordered on end',
  ],
  ['new', /^new_visitors$/, /\bnew\b/, 'visitor visitors people'],
  ['returning', /^returning_visitors$/, /\breturn\w*\b/, 'visitor visitors people'],
  ['visitors', /^visitors$/, /\b(?:visitors?|people)\b/],
  ['entries', /^(?:entries|entry_share)$/, /\b(?:entr(?:y|ies)|enter\w*|began)\b/, 'sessions session visits visit'],
  ['exits', /^(?:exits|exit_share)$/, /\b(?:exit\w*|ended)\b/, 'sessions session visits visit'],
  [
    'journey',
    /^journey_sessions$/,
    /^(?=.*\b(?:sessions|visits)\b)(?=.*\bjourney\b|.*\bfirst\b.*\border\b)/,
    'journey order sessions visits visit first took takes',
  ],
  ['sessions', /^(?:sessions|session_share)$/, /\b(?:sessions?|visits?)\b/, 'people began reached'],
  ['reached', /^step_entered$/, /\b(?:sessions?|visits?|visitors?|reached)\b/, 'people began'],
  [
    'journey time',
    /^journey_seconds/,
    /\bjourney\b|\bfirst\b.*\border\b/,
    'journey order time took takes long first visit',
  ],
  [
    'attention',
    /engaged_seconds$/,
    /\b(?:attention|engag\w+|spent)\b/,
    'time visit visits session sessions people members',
  ],
  [
    'time',
    /seconds/,
    /\b(?:time|long|longer|shorter|took|takes|spent|duration|wait\w*)\b/,
    'first visit visits session sessions order orders people',
  ],
  ['loading', /^page_load_p75$/, /\bload\w*\b/, 'time took takes'],
  [
    'pages per session',
    /^pages_per_session$/,
    /^(?=.*\b(?:pages|views|pageviews)\b)(?=.*\b(?:per|average|mean)\b).*\b(?:sessions?|visits?)\b/,
    'pages page views pageviews viewed per session sessions visit visits',
  ],
  ['pages', /^(?:pageviews|page_views)$/, /\b(?:pageviews?|views?|viewed)\b/, 'page pages session sessions visit'],
  ['bounce', /^bounce_share$/, /\bbounc\w+\b/, 'sessions visits'],
  ['searches', /^searches$/, /\bsearch\w*\b/],
  ['script errors', /^js_errors$/, /\bscripts?\b/, 'error errors'],
  ['rage clicks', /^rage_clicks$/, /\brage\b/, 'click clicks'],
  ['form errors', /^form_errors$/, /\bforms?\b.*\berrors?\b|\berrors?\b.*\bforms?\b/, 'form forms error errors'],
  ['abandoned forms', /^form_abandons$/, /\babandon\w*\b/, 'form forms'],
  ['depth', /^scroll_reached$/, /\b(?:scroll\w*|depth)\b/, 'views reached seen page'],
  ['clicks', /^(?:clicks|click_share)$/, /\bclick\w*\b/],
  ['odds', /^odds_ratio$/, /\b(?:odds|associat\w+)\b/, 'going ratio'],
  ['events', /^events$/, /\bevents?\b/],
  [
    'transitions',
    /^(?:transition|variant_share)$/,
    /\b(?:paths?|routes?|steps?|journeys?|moved|transitions?)\b/,
    'sessions visits',
  ],
  ...(
    [
      ['volume', /^quality_volume/, /\b(?:volume|events?)\b/],
      ['loss', /^quality_loss_share$/, /\b(?:lost|loss)\b/],
      ['clocks', /^quality_clock_skew_p95$/, /\bclocks?\b/],
      ['late', /^quality_late_share$/, /\blate\b/],
      ['duplicates', /^quality_duplicate_share$/, /\bduplicat\w*\b/],
      ['rejects', /^quality_reject_share$/, /\breject\w*\b/],
      ['bots', /^quality_bot_share$/, /\bbots?\b/],
      ['consent', /^quality_consent_share$/, /\bconsent\w*\b/],
      ['identified', /^quality_identified_share$/, /\bidentif\w*\b/],
      ['unread', /^quality_unread_events$/, /\bunread\b/],
      ['silence', /^quality_silent_hours$/, /\bsilen\w*\b/],
      ['missing', /^quality_event_type_missing$/, /\bmissing\b/],
    ] as const
  ).map(([name, metric, nouns]) => [name, metric, nouns, 'tracking event events visitors type'] as const),
]
type Family = { readonly family: string; readonly nouns: RegExp; readonly beside: ReadonlySet<string> }
const known = new Map<FactMetric, Family | undefined>()
export const familyOf = (metric: FactMetric): Family | undefined => {
  if (!known.has(metric)) {
    const found = families.find(([, metrics]) => metrics.test(metric))
    known.set(metric, found && { family: found[0], nouns: found[2], beside: words(found[3] ?? '') })
  }
  return known.get(metric)
}
