// The page on which one signs in, in the language of who does.

import { offer } from './language.js';
import { speak, speaker } from './words.js';

const say = speaker({
  en: {
    title: 'Sign in – Voisin market',
    brand: 'Voisin market',
    token: 'Token',
    sign_in: 'Sign in',
    note: 'The operator gives you one. This browser keeps it for twelve hours, out of reach of scripts.',
    language: 'Language',
    no_token: 'Enter a token.',
    not_one_line: 'Enter a token: one line, as the operator gave it to you.',
    counters_alone: 'This token is for the counters alone; the console takes one that may read.',
    not_known: 'This token is not known here. Ask the operator for one, or compare its SHA-256 with [console_tokens].',
  },
  de: {
    title: 'Anmelden – Voisin-Markt',
    brand: 'Voisin-Markt',
    token: 'Token',
    sign_in: 'Anmelden',
    note: 'Den Token gibt der Betreiber. Dieser Browser behält ihn zwölf Stunden lang, für Skripte unerreichbar.',
    language: 'Sprache',
    no_token: 'Bitte einen Token eingeben.',
    not_one_line: 'Bitte einen Token eingeben: eine Zeile, wie der Betreiber sie gegeben hat.',
    counters_alone: 'Dieser Token ist nur für die Metriken; die Konsole nimmt einen, der lesen darf.',
    not_known: 'Dieser Token ist hier nicht bekannt. Der Betreiber gibt einen; oder sein SHA-256 ist mit [console_tokens] zu vergleichen.',
  },
  fr: {
    title: 'Se connecter – Marché Voisin',
    brand: 'Marché Voisin',
    token: 'Jeton',
    sign_in: 'Se connecter',
    note: 'L’exploitant en donne un. Ce navigateur le garde douze heures, hors de portée des scripts.',
    language: 'Langue',
    no_token: 'Entrer un jeton.',
    not_one_line: 'Entrer un jeton : une ligne, telle que l’exploitant l’a donnée.',
    counters_alone: 'Ce jeton ne vaut que pour les métriques ; la console en prend un qui peut lire.',
    not_known: 'Ce jeton n’est pas connu ici. En demander un à l’exploitant, ou comparer son SHA-256 à [console_tokens].',
  },
});

speak(say);
offer();
