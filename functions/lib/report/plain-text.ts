/** Stands between two characters, takes no room, and keeps them from being read together. */
const wordJoiner = '\u2060';

/**
 * Text of which no mail reader or chat client makes a link or a mention: it looks as it was, and what would be one is
 * kept apart by a word joiner (U+2060), which nobody sees. Clients also make links of `registry.example.com` and of
 * `runbook.md`, which have no scheme.
 */
const unlinked = (text: string): string =>
  text
    .replaceAll(/[@&]/g, `$&${wordJoiner}`)
    .replaceAll(/\b(?:[a-z][a-z0-9+.-]{0,30}:(?=\/\/)|mailto:|tel:)/gi, `$&${wordJoiner}`)
    .replaceAll(/(?<=[\p{L}\p{N}_-])\.(?=\p{L}{2})/gu, `${wordJoiner}.`);

/** What turns the reading direction round (U+202E), rings a bell, or is not seen at all. */
const withoutControls = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '');

/** Text from outside, made fit for mail: nothing in it becomes a link. */
export const mailText = (text: string): string => unlinked(withoutControls(text));

/**
 * Text from outside, made fit for Slack and Teams: it looks as it was, and nothing in it becomes a link, a mention or
 * markup. Neither client has an escape that the other does not show, so what begins markup gives way to a sign that looks
 * like it, or is kept apart by a word joiner (U+2060), which nobody sees.
 *
 * - `<!channel>`, `<@U024>`, `<https://…|text>`: https://docs.slack.dev/messaging/formatting-message-text/
 * - `[text](https://…)`, `<at>`: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages
 */
export const chatText = (text: string): string =>
  unlinked(
    withoutControls(text)
      .replaceAll('<', '‹')
      .replaceAll('>', '›')
      .replaceAll('\\', '∖')
      .replaceAll('*', '∗')
      .replaceAll('`', "'")
      .replaceAll('~', '∼')
      // Within a word, as in `not_found`, an underscore is none.
      .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, 'ˍ')
      .replaceAll(/\](?=[([])/g, `]${wordJoiner}`),
  );

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
