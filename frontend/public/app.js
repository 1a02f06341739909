// Asks the API that was named at start for something everybody may read, and shows what came back.
// A version is taken from the answer itself: what is shown is what served.
'use strict';

const LIMIT_MS = 5000;
const show = (id, text) => { document.getElementById(id).textContent = text; };

async function ask(url) {
  return fetch(url, { cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(LIMIT_MS) });
}

async function look() {
  const config = await (await ask('/config.json')).json();
  const base = config.api_base_url === '/' ? '' : config.api_base_url;
  show('base', base || location.origin);
  const answer = await ask(`${base}/api/v1/foods?q=arroz&limit=1`);
  show('trace', answer.headers.get('x-trace-id') || 'sem código');
  show('version', answer.headers.get('x-nica-version') || 'não informada');
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  show('state', 'em funcionamento');
}

look().catch(() => {
  show('state', 'sem resposta');
  document.getElementById('help').hidden = false;
});
