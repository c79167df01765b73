const maxQuote = 200;
const tellingRun = 12;

const sharesRun = (text: string, secret: string): boolean => {
  for (let start = 0; start + tellingRun <= text.length; start += 1) {
    if (secret.includes(text.slice(start, start + tellingRun))) return true;
  }
  return false;
};

/**
 * A secret as it may be written down: as it is, in base64 (wherever in a text it began, as in `Basic` credentials), in
 * base64url, in hexadecimal, percent-encoded, and what it says where it is base64 itself, as a token of ECR's is.
 */
const writingsOf = (secret: string): string[] => {
  const bytes = Buffer.from(secret);
  // Three bytes make four characters: before a secret there may be none, one or two bytes of something else.
  const base64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(before === 0 ? 0 : before + 1),
  );
  const hex = bytes.toString('hex');
  return [
    secret,
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    hex,
    hex.toUpperCase(),
    encodeURIComponent(secret),
    ...[Buffer.from(secret, 'base64').toString()].filter(({ length }) => length >= tellingRun),
  ];
};

/** Text without what breaks up a secret: the ends of lines, and what stands between two bytes, as in `%65`, `65:79`, `\\x65` or `\\u0065`. */
const unbroken = (text: string): string => text.replaceAll(/\\x|\\u00|&#x|[^A-Za-z0-9]/g, '');

const repeats = (line: string, secret: string): boolean => {
  const [whole, writings] = [unbroken(line), writingsOf(secret)];
  return writings.some(
    (writing) => line.includes(writing) || sharesRun(line, writing) || sharesRun(whole, unbroken(writing)),
  );
};

/**
 * Makes text from outside fit to stand in a message: one line, at most 200 characters, and none of our secrets in it.
 *
 * An upstream that repeats what we sent it must not make us repeat it to a log. A quote that shares a run of 12
 * characters with a secret, in any encoding that it may have been sent in, is withheld whole: a cut or re-encoded
 * secret is still a secret.
 */
export const quote = (text: string, secrets: readonly string[] = []): string => {
  const line = text
    .slice(0, 4 * maxQuote)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  if (secrets.some((secret) => secret !== '' && repeats(line, secret))) {
    return '[withheld: it repeats a secret]';
  }
  return line.length > maxQuote ? `${line.slice(0, maxQuote - 1)}…` : line;
};
