/** Where a page keeps its session: for this tab and this port alone, unlike a cookie. */
const key = 'session';

/** Why the server will not have this page any more. */
export class SessionEndedError extends Error {
  override readonly name = 'SessionEndedError';
}

/** Asks the server something in this page's session. @throws {SessionEndedError} */
export const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
  const headers = { ...init.headers, authorization: `Bearer ${sessionStorage.getItem(key) ?? ''}` };
  const answer = await fetch(`/api/${path}`, { ...init, headers });
  if (answer.status === 401) throw new SessionEndedError(await answer.text());
  return answer;
};

/** Sends JSON. */
export const send = (path: string, body: object): Promise<Response> =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** Hands over the token of the address, where it has one, for a session. The address forgets it. */
export const openSession = async (): Promise<void> => {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return;
  history.replaceState(null, '', location.pathname);
  const answer = await send('open', { token });
  if (!answer.ok) return;
  const { session } = (await answer.json()) as { session: string };
  sessionStorage.setItem(key, session);
};

/**
 * Reads the events of the server until the connection ends. EventSource could send no session.
 *
 * @param after the number of the last batch that was heard
 * @param take called with each batch and its number
 */
export const readEvents = async (
  after: string | undefined,
  take: (number: string, data: string) => void,
): Promise<void> => {
  const { body } = await ask('events', after === undefined ? {} : { headers: { 'last-event-id': after } });
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let received = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    received += value;
    // A message of megabytes is not searched anew for each of its parts.
    if (!value.includes('\n')) continue;
    const messages = received.split('\n\n');
    received = messages.pop() ?? '';
    for (const message of messages) {
      const [, number, data] = /^id: (\d+)\ndata: (.*)$/.exec(message) ?? [];
      if (number !== undefined && data !== undefined) take(number, data);
    }
  }
};
