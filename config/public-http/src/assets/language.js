// The choice of a page's language.

import { choose, language, LANGUAGES } from './words.js';

/** Fills the page's choice of languages, each by its own name. */
export function offer() {
  const select = document.getElementById('language');
  select.replaceChildren(...LANGUAGES.map((code) => {
    const option = new Option(new Intl.DisplayNames([code], { type: 'language' }).of(code), code, code === language, code === language);
    option.lang = code;
    return option;
  }));
  select.addEventListener('change', () => choose(select.value));
}
