// What a page says, in the language of who reads it: the one that was chosen here before, else the first of those that the
// browser asks for, else English.

const CHOSEN = 'voisin-language';

export const LANGUAGES = ['en', 'de', 'fr'];

/** The language of this page. */
export const language = chosen() ?? asked() ?? 'en';

function known(tag) {
  const code = String(tag).toLowerCase().split('-')[0];
  return LANGUAGES.includes(code) ? code : null;
}

function chosen() {
  try {
    return known(localStorage.getItem(CHOSEN));
  } catch {
    return null; // no storage is allowed here
  }
}

function asked() {
  return navigator.languages.map(known).find((code) => code !== null) ?? null;
}

/** Shows this page, and those opened later, in another language. */
export function choose(code) {
  localStorage.setItem(CHOSEN, code);
  location.reload();
}

/**
 * What says a text of `texts` (`{ en: { key: 'text with {name}' }, de: …, fr: … }`) in the page's language, `{name}` replaced
 * by the value of that name. An unknown key is a fault of the page.
 */
export function speaker(texts) {
  return (key, values = {}) => {
    const text = texts[language][key];
    if (text === undefined) throw new Error(`no text “${key}” in ${language}`);
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };
}

/**
 * Puts the texts into what is written in the page itself: `data-say="key"` for an element's text, `data-say-title`,
 * `data-say-label` and `data-say-placeholder` for its `title`, `aria-label` and `placeholder`.
 */
export function speak(say, root = document) {
  document.documentElement.lang = language;
  for (const [attribute, sets] of [['title', 'title'], ['label', 'aria-label'], ['placeholder', 'placeholder']]) {
    for (const element of root.querySelectorAll(`[data-say-${attribute}]`)) {
      element.setAttribute(sets, say(element.getAttribute(`data-say-${attribute}`)));
    }
  }
  for (const element of root.querySelectorAll('[data-say]')) element.textContent = say(element.dataset.say);
}
