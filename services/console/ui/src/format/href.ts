/** Where a link may lead: to pages and to people. Anything else (scripts above all) is text. */
const SAFE = new Set(["http:", "https:", "mailto:"]);

/** The address if it is one that may be a link, else null. Relative ones are not: nobody could say to what. */
export function safeHref(text: string): string | null {
  try {
    const url = new URL(text.trim());
    return SAFE.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
