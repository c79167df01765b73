/**
 * With less than this left of a token a person should know: what is late turns critical, `TokenEndsSoon` rings, and the
 * commands and the page show it in another colour. With more, a late run may still make it while people sleep.
 */
export const comfortableMs = 3 * 3_600_000;
