// What the console says: its texts by key, and numbers of things in words.

import { number } from './format.js';
import { offer } from './language.js';
import { language, speaker, speak } from './words.js';
import de from './words-de.js';
import en from './words-en.js';
import fr from './words-fr.js';

/** A text by its key, with `{name}` replaced by the value of that name. */
export const say = speaker({ en, de, fr });

const plural = new Intl.PluralRules(language);

/** The text `KEY_one` or `KEY_other`, by how many there are of `{n}`. */
export const count = (key, many, values = {}) =>
  say(`${key}_${plural.select(many) === 'one' ? 'one' : 'other'}`, { ...values, n: number(many) });

/** Puts the texts into the page, and lets its reader choose another language. */
export function begin() {
  speak(say);
  offer();
}
