/**
 * What is kept of a user agent: `reduce` keeps browser, system and their major versions, as browsers do that reduce it
 * themselves (User-Agent Client Hints, "reduced user agent"): minor versions and device models tell people apart.
 */
export const reduceUserAgent = (userAgent: string): string =>
  userAgent
    .replace(/Android [\d.]+(?:;[^)]*)?\)/g, 'Android 10; K)')
    .replace(/\b(OS|Mac OS X|Windows NT|Linux|CrOS \w+) (\d+)[._\d]*/g, '$1 $2')
    .replace(/([\w-]\/)(\d+)(?:\.\d+)+/g, '$1$2.0.0.0')
    .replace(/\brv:(\d+)[.\d]*/g, 'rv:$1.0')
