// How the console's pages ask the market.

/** What is answered at `path`. Whose token is older than it may be, or counts no longer, is sent to sign in instead. */
export async function ask(path) {
  const answer = await fetch(path, { headers: { accept: 'application/json' } });
  if (answer.status !== 401) return answer;
  location.assign('/sign-in');
  return new Promise(() => {}); // this page is about to go
}
