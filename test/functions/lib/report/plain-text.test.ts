import { describe, expect, it } from 'vitest';
import { composeRehearsals } from '../../../../cli/alert/rehearsals.ts';
import { writeMessages } from '../../../../functions/lib/report/messages.ts';
import { chatText, smsText } from '../../../../functions/lib/report/plain-text.ts';

const joiner = '\u2060';

describe('text for chat', () => {
  it.each([
    ['production: Runpod refused the new token (401).', 'production: Runpod refused the new token (401).'],
    ['team/worker:v1.2 not_found [CRITICAL]', 'team/worker:v1.2 not_found [CRITICAL]'],
    [
      '<!channel> <@U024> <https://evil.example|us>',
      `‹!channel› ‹@${joiner}U024› ‹https:${joiner}//evil${joiner}.example|us›`,
    ],
    ['@channel you@example.com', `@${joiner}channel you@${joiner}example${joiner}.com`],
    ['[us](evil)', `[us]${joiner}(evil)`],
    ['[us][1]', `[us]${joiner}[1]`],
    ['mailto:a tel:1 ftp://b', `mailto:${joiner}a tel:${joiner}1 ftp:${joiner}//b`],
    ['&lt;!here&gt;', `&${joiner}lt;!here&${joiner}gt;`],
    ['back\\slash', 'back∖slash'],
    ['*bold* _italic_ ~gone~ `code`', "∗bold∗ ˍitalicˍ ∼gone∼ 'code'"],
    ['\u0000\u202etxt', 'txt'],
  ])('%j is %j', (text, chat) => {
    expect(chatText(text)).toBe(chat);
  });

  it('looks as it was, but for signs that begin markup', () => {
    const text = 'See 123456789012.dkr.ecr.us-east-1.amazonaws.com/team/worker, or https://example.com/a?b=c&d.';
    expect(chatText(text).replaceAll(joiner, '')).toBe(text);
  });
});

/** 3GPP TS 23.038, section 6.2.1: the basic table's 127 characters, by column. */
const gsm = [
  '@£$¥èéùìòÇ\nØø\rÅå',
  'Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ',
  ' !"#¤%&\'()*+,-./',
  '0123456789:;<=>?',
  '¡ABCDEFGHIJKLMNO',
  'PQRSTUVWXYZÄÖÑÜ§',
  '¿abcdefghijklmno',
  'pqrstuvwxyzäöñüà',
].join('');

describe('text for SMS', () => {
  it.each([
    ['Älter, größer: ça va? É', 'Älter, größer: ca va? É'],
    ['cut… “so” ‘it’ – —', 'cut... "so" \'it\' - -'],
    ['[a]{b}\\c|d^e~f`€', "(a)(b)/c/d'e-f'EUR"],
    ['łódź 漢 😀', '?ódz ? ?'.replace('ó', 'o')],
    ['e\u0301', 'é'],
  ])('%j is %j', (text, sms) => {
    expect(smsText(text)).toBe(sms);
  });

  it.each(
    composeRehearsals(Date.parse('2026-11-23T12:50:00Z')).map(
      (each) => [`${each.kind} ${each.severity}`, each] as const,
    ),
  )('is one part: %s', (_name, { alerts }) => {
    const [first, ...others] = alerts;
    for (const odd of ['', ' “größer” łódź … [x] {y} 漢 €'.repeat(9)]) {
      const alert = { ...first, text: `${odd}${first.text}` };
      const context = { execution: 'arn:aws:states:us-east-1:123456789012:execution:a:b', runbook: '' };
      const { sms } = writeMessages([alert, ...others], context);
      expect(sms.length).toBeLessThan(140);
      expect([...sms].filter((character) => !gsm.includes(character))).toEqual([]);
    }
  });
});
