const maxQuote = 200;
const tellingRun = 12;

const sharesRun = (text: string, secret: string): boolean => {
  for (let start = 0; start + tellingRun <= text.length; start += 1) {
    if (secret.includes(text.slice(start, start + tellingRun))) return true;
  }
  return false;
};

/**
 * Makes text from outside fit to stand in a message: one line, at most 200 characters, and none of our secrets in it.
 *
 * An upstream that repeats what we sent it must not make us repeat it to a log. A quote that shares a run of 12
 * characters with a secret is withheld whole, because a cut or re-encoded secret is still a secret.
 */
export const quote = (text: string, secrets: readonly string[] = []): string => {
  const line = text
    .slice(0, 4 * maxQuote)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  if (secrets.some((secret) => sharesRun(line, secret) || (secret.length > 0 && line.includes(secret)))) {
    return '[withheld: it repeats a secret]';
  }
  return line.length > maxQuote ? `${line.slice(0, maxQuote - 1)}…` : line;
};
