// What the market says in English, in other languages: by the names that it gives, so that its words may change. What has
// no name here, or is not known yet, stays as the market said it.

import { language } from './words.js';

/** The badge's words, by the market's own. */
export const BADGES = {
  de: {
    'Live': 'Läuft',
    'Starting': 'Startet',
    'No ledger': 'Kein Ledger',
    'Settlement stopped': 'Abrechnung steht',
    'Needs an upgrade': 'Braucht neue Version',
    'Settlement refused': 'Abrechnung abgelehnt',
    'Ledger stands still': 'Ledger steht still',
    'No broker': 'Kein Broker',
    'Not settled': 'Nicht abgerechnet',
    'Waiting for readings': 'Wartet auf Ablesungen',
  },
  fr: {
    'Live': 'En marche',
    'Starting': 'Démarrage',
    'No ledger': 'Pas de registre',
    'Settlement stopped': 'Règlement arrêté',
    'Needs an upgrade': 'Mise à jour requise',
    'Settlement refused': 'Règlement refusé',
    'Ledger stands still': 'Registre immobile',
    'No broker': 'Pas de broker',
    'Not settled': 'Non réglé',
    'Waiting for readings': 'En attente de relevés',
  },
};

/** Alarms, and what is the matter: what, what it means, and what to do. */
export const ALARMS = {
  de: {
    ledger_silent: {
      what: 'Das Ledger antwortet nicht.',
      means: 'Nichts wird abgerechnet. Abgelesenes bleibt auf der Platte des Markts oder bei den Agenten: Nichts geht verloren.',
      action: 'Die Validatoren starten, oder `ledger` in den Einstellungen des Markts berichtigen.',
    },
    no_quorum: {
      what: 'Die Abrechnung steht: Zu wenige Validatoren antworten.',
      means: 'Ein Block braucht mehr als zwei Drittel der Stimmen. Ablesungen werden weiter angenommen und aufbewahrt; sind genug Validatoren zurück, geht es von selbst weiter, und nichts geht verloren.',
      action: 'Die Validatoren starten, die nicht antworten.',
    },
    unfit: {
      what: 'Der Markt kann nicht räumen, was auf dem Ledger steht.',
      means: 'Kein Intervall wird abgerechnet. Ablesungen werden aufbewahrt, und keine geht verloren.',
      action: 'Den Markt aktualisieren: Die Validatoren haben etwas beschlossen, das dieses Programm nicht kennt.',
    },
    settlement_refused: {
      what: 'Das Ledger lehnt die Abrechnung ab.',
      means: 'Die Validatoren finden aus denselben Ablesungen nicht, was der Markt fand. Ablesungen werden aufbewahrt, und keine geht verloren.',
      action: 'Die Versionen des Markts und der Validatoren vergleichen; beide Protokolle nennen den Unterschied.',
    },
    no_block: {
      what: 'Das Ledger steht still: Es antwortet, aber es gibt keinen neuen Block.',
      means: 'Nichts wird abgerechnet. Die Validatoren erreichen einander nicht, oder mehr als ein Drittel der Stimmen fehlt. Ablesungen werden aufbewahrt, und keine geht verloren.',
      action: 'Die Protokolle der Validatoren ansehen, und das Netzwerk zwischen ihnen.',
    },
    broker_lost: {
      what: 'Der Broker ist nicht verbunden.',
      means: 'Keine Ablesung kommt an, oder keine Antwort und kein Beleg geht hinaus. Agenten behalten ihre Ablesungen, bis bewiesen ist, dass sie abgerechnet sind: Keine geht verloren.',
      action: 'Den Broker starten, `broker` in den Einstellungen des Markts berichtigen, oder die Zugriffsregeln des Brokers.',
    },
    not_settled: {
      what: 'Eine Abrechnung steht noch nicht auf dem Ledger.',
      means: 'Der Markt reicht sie immer wieder ein. Ablesungen werden aufbewahrt, und keine geht verloren.',
      action: 'Höhen und Protokolle der Validatoren ansehen: Sie sind beschäftigt, oder erreichen einander nicht.',
    },
    no_readings: {
      what: 'Der Markt wartet: Von keinem Zähler wurde gehört.',
      means: 'Ein Intervall wird erst geschlossen, wenn ein Zähler abgelesen ist: Ein Markt, der von allen Agenten abgeschnitten ist, rechnete nichts ab.',
      action: 'Nachsehen, ob die Agenten laufen und den Broker erreichen.',
    },
    validators_silent: {
      what: 'Einige Validatoren antworten nicht.',
      means: 'Genug antworten: Die Abrechnung geht weiter.',
      action: 'Sie wieder starten. Was sie versäumt haben, holen sie von selbst nach.',
    },
    unbalanced: {
      what: 'Die Konten gehen nicht auf.',
      means: 'Das ist ein Fehler dieses Programms: Was die Konten gewinnen, ergibt immer null.',
      action: 'Mit dem Ledger vergleichen: `ledger status`, und `ledger audit` eines angehaltenen Knotens.',
    },
    disk_low: {
      what: 'Auf der Platte des Markts ist wenig Platz.',
      means: 'Auf einer vollen Platte endet der Markt, und startet wieder, wenn Platz ist.',
      action: 'Platz schaffen.',
    },
    equivocation: {
      what: 'Ein Validator hat zwei Nachrichten signiert, die einander widersprechen.',
      means: 'Ein Schlüssel läuft zweimal, oder Schlimmeres.',
      action: 'Die Dateien unter `evidence/` der Validatoren mit `ledger evidence` prüfen, den Betreiber fragen und den Validator herausnehmen.',
    },
    webhook_undelivered: {
      what: 'Meldungen kommen beim Webhook nicht an.',
      means: 'Warnungen werden nicht gemeldet; es wird weiter versucht.',
      action: '[notices.webhook] in der Konfiguration oder den Empfänger richtigstellen; `market alarms try` sendet einen Test.',
    },
    mail_undelivered: {
      what: 'Meldungen kommen beim Mailserver nicht an.',
      means: 'Warnungen werden nicht gemeldet; es wird weiter versucht.',
      action: '[notices.mail] in der Konfiguration oder den Mailserver richtigstellen; `market alarms try` sendet einen Test.',
    },
    refusals: {
      what: 'Viele Nachrichten werden aus demselben Grund abgewiesen.',
      means: 'Mehr als zehn in zehn Minuten.',
      action: 'docs/protocol.md sagt, was jeder Name bedeutet; das Protokoll des Agenten, der sie sendet, welche es sind.',
    },
    clock: {
      what: 'Die Uhren von Markt und Validatoren gehen auseinander.',
      means: 'Mehr als fünf Sekunden.',
      action: 'Diese Rechner einem Zeitserver folgen lassen.',
    },
    rule_pack_ends: {
      what: 'Das Regelpaket der Gemeinschaft endet bald, oder hat geendet.',
      means: 'Danach gelten die Regeln ohne es weiter, und keine Rechnung hat einen Nachlass auf das Netz.',
      action: 'Nachsehen, welches Recht danach gilt, und seinem Regelpaket folgen: `ledger draft set-rules --pack`.',
    },
    meters_unread: {
      what: 'Zähler wurden für das letzte abgerechnete Intervall nicht abgelesen.',
      means: 'Was ihre Agenten behalten haben, wird später abgerechnet.',
      action: 'Diese Haushalte bitten, nach ihrem Agenten zu sehen: `meter-agent status`.',
    },
    interval_unbalanced: {
      what: 'Das letzte abgerechnete Intervall passt nicht zum Zähler des Transformators.',
      means: 'Die Zähler der Mitglieder ergeben zusammen etwas anderes als der des Transformators.',
      action: 'Späte Ablesungen abwarten; dann die Zähler dieses Intervalls vergleichen, und es berichtigen.',
    },
  },
  fr: {
    ledger_silent: {
      what: 'Le registre ne répond pas.',
      means: 'Rien n’est réglé. Les relevés restent sur le disque du marché ou chez les agents : rien n’est perdu.',
      action: 'Démarrer les validateurs, ou corriger `ledger` dans la configuration du marché.',
    },
    no_quorum: {
      what: 'Le règlement est arrêté : trop peu de validateurs répondent.',
      means: 'Un bloc demande plus de deux tiers des voix. Les relevés sont toujours acceptés et gardés ; quand assez de validateurs sont de retour, tout reprend de soi-même, et rien n’est perdu.',
      action: 'Démarrer les validateurs qui ne répondent pas.',
    },
    unfit: {
      what: 'Le marché ne peut pas traiter ce que dit le registre.',
      means: 'Aucun intervalle n’est réglé. Les relevés sont gardés, aucun n’est perdu.',
      action: 'Mettre le marché à jour : les validateurs ont décidé ce que ce programme ne connaît pas.',
    },
    settlement_refused: {
      what: 'Le registre refuse le règlement.',
      means: 'À partir des mêmes relevés, les validateurs ne trouvent pas ce que le marché a trouvé. Les relevés sont gardés, aucun n’est perdu.',
      action: 'Comparer les versions du marché et des validateurs ; les deux journaux nomment la différence.',
    },
    no_block: {
      what: 'Le registre n’avance plus : il répond, mais il n’y a pas de nouveau bloc.',
      means: 'Rien n’est réglé. Les validateurs ne s’atteignent pas, ou plus d’un tiers des voix manque. Les relevés sont gardés, aucun n’est perdu.',
      action: 'Regarder les journaux des validateurs, et le réseau qui les relie.',
    },
    broker_lost: {
      what: 'Le broker n’est pas connecté.',
      means: 'Aucun relevé n’arrive, ou aucune réponse et aucun reçu ne part. Les agents gardent leurs relevés jusqu’à la preuve de leur règlement : aucun n’est perdu.',
      action: 'Démarrer le broker, corriger `broker` dans la configuration du marché, ou les règles d’accès du broker.',
    },
    not_settled: {
      what: 'Un règlement n’est pas encore au registre.',
      means: 'Le marché le présente encore et encore. Les relevés sont gardés, aucun n’est perdu.',
      action: 'Regarder les hauteurs et les journaux des validateurs : ils sont occupés, ou ne s’atteignent pas.',
    },
    no_readings: {
      what: 'Le marché attend : aucun compteur ne s’est fait entendre.',
      means: 'Un intervalle n’est fermé qu’après le relevé d’un compteur : un marché coupé de tous les agents ne réglerait rien.',
      action: 'Regarder si les agents marchent et atteignent le broker.',
    },
    validators_silent: {
      what: 'Certains validateurs ne répondent pas.',
      means: 'Assez répondent : le règlement continue.',
      action: 'Les redémarrer. Ils rattrapent d’eux-mêmes ce qu’ils ont manqué.',
    },
    unbalanced: {
      what: 'Les comptes ne sont pas équilibrés.',
      means: 'C’est un défaut de ce programme : ce que gagnent les comptes fait toujours zéro.',
      action: 'Comparer avec le registre : `ledger status`, et `ledger audit` d’un nœud arrêté.',
    },
    disk_low: {
      what: 'Il reste peu de place sur le disque du marché.',
      means: 'Sur un disque plein le marché s’arrête, et redémarre quand il y a de la place.',
      action: 'Faire de la place.',
    },
    equivocation: {
      what: 'Un validateur a signé deux messages qui se contredisent.',
      means: 'Une clé qui tourne deux fois, ou pire.',
      action: 'Vérifier les fichiers sous `evidence/` des validateurs avec `ledger evidence`, interroger son propriétaire et retirer le validateur.',
    },
    webhook_undelivered: {
      what: 'Les avis n’arrivent pas au webhook.',
      means: 'Les alertes ne sont pas annoncées ; les essais continuent.',
      action: 'Corriger [notices.webhook] dans la configuration, ou le destinataire ; `market alarms try` envoie un essai.',
    },
    mail_undelivered: {
      what: 'Les avis n’arrivent pas au serveur de courrier.',
      means: 'Les alertes ne sont pas annoncées ; les essais continuent.',
      action: 'Corriger [notices.mail] dans la configuration, ou le serveur de courrier ; `market alarms try` envoie un essai.',
    },
    refusals: {
      what: 'Beaucoup de messages sont refusés pour la même raison.',
      means: 'Plus de dix en dix minutes.',
      action: 'docs/protocol.md dit ce que chaque nom signifie ; le journal de l’agent qui les envoie dit lesquels.',
    },
    clock: {
      what: 'Les horloges du marché et des validateurs s’écartent.',
      means: 'De plus de cinq secondes.',
      action: 'Faire suivre un serveur de temps à ces machines.',
    },
    rule_pack_ends: {
      what: 'Le jeu de règles de la communauté se termine bientôt, ou s’est terminé.',
      means: 'Ensuite les règles continuent sans lui, et aucune facture n’a de remise sur le réseau.',
      action: 'Regarder quel droit vaut ensuite, et suivre son jeu de règles : `ledger draft set-rules --pack`.',
    },
    meters_unread: {
      what: 'Des compteurs n’ont pas été relevés pour le dernier intervalle réglé.',
      means: 'Ce que leurs agents ont gardé est réglé plus tard.',
      action: 'Demander à ces foyers de regarder leur agent : `meter-agent status`.',
    },
    interval_unbalanced: {
      what: 'Le dernier intervalle réglé ne s’accorde pas avec le compteur du transformateur.',
      means: 'Les compteurs des membres donnent ensemble autre chose que celui du transformateur.',
      action: 'Attendre les relevés tardifs ; puis comparer les compteurs de cet intervalle, et le corriger.',
    },
  },
};

/** What the badge says. */
export const badge = (word) => BADGES[language]?.[word] ?? word;

/** An alarm or a trouble of this name in the page's language; `null` where the market's own words are the ones to show. */
export const alarm = (name) => ALARMS[language]?.[name] ?? null;
