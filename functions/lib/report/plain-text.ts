/** Stands between two characters, takes no room, and keeps them from being read together. */
const wordJoiner = '\u2060';

/**
 * Text from outside, made fit for Slack and Teams: it looks as it was, and nothing in it becomes a link, a mention or
 * markup. Neither client has an escape that the other does not show, so what begins markup gives way to a sign that looks
 * like it, or is kept apart by a word joiner (U+2060), which nobody sees.
 *
 * - `<!channel>`, `<@U024>`, `<https://…|text>`: https://docs.slack.dev/messaging/formatting-message-text/
 * - `[text](https://…)`, `<at>`: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages
 */
export const chatText = (text: string): string =>
  text
    // Among them U+202E, which turns the reading direction round.
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .replaceAll('<', '‹')
    .replaceAll('>', '›')
    .replaceAll('\\', '∖')
    .replaceAll('*', '∗')
    .replaceAll('`', "'")
    .replaceAll('~', '∼')
    // Within a word, as in `not_found`, an underscore is none.
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, 'ˍ')
    .replaceAll(/\](?=[([])/g, `]${wordJoiner}`)
    .replaceAll(/[@&]/g, `$&${wordJoiner}`)
    .replaceAll(/\b(?:[a-z][a-z0-9+.-]*:(?=\/\/)|mailto:|tel:)/gi, `$&${wordJoiner}`)
    // `registry.example.com` and `runbook.md` are links to both.
    .replaceAll(/(?<=[\p{L}\p{N}_-])\.(?=\p{L}{2})/gu, `${wordJoiner}.`);

/** The alphabet of GSM 03.38 (3GPP TS 23.038, section 6.2.1), without the signs that take the room of two. */
const gsmAlphabet = new Set(
  '@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);

const gsmStandIns: Readonly<Record<string, string>> = {
  '…': '...',
  '“': '"',
  '”': '"',
  '‘': "'",
  '’': "'",
  '`': "'",
  '^': "'",
  '–': '-',
  '—': '-',
  '~': '-',
  '→': '->',
  '×': 'x',
  '€': 'EUR',
  '[': '(',
  ']': ')',
  '{': '(',
  '}': ')',
  '\\': '/',
  '|': '/',
};

const gsmLetter = (character: string): string => {
  if (gsmAlphabet.has(character)) return character;
  const standIn = gsmStandIns[character];
  if (standIn !== undefined) return standIn;
  const bare = character.normalize('NFKD').replaceAll(/\p{M}/gu, '');
  return [...bare].every((each) => gsmAlphabet.has(each)) ? bare : '?';
};

/** Text in GSM's alphabet: a single other character would halve what one part of an SMS holds. */
export const smsText = (text: string): string => [...text.normalize('NFC')].map(gsmLetter).join('');
