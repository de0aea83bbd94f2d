//! French.

use super::Words;
use crate::alarm::AlarmKind;

pub(super) static WORDS: Words = Words {
    your_home: "Votre foyer",
    connected: "relié au marché",
    not_connected: "non relié au marché",
    language: "Langue",
    not_live: "Cette page n’est plus à jour : l’agent ne répond pas. Ce qu’elle montre date d’un moment.",

    now: "En ce moment",
    drawing: "Soutirage du réseau : {}",
    feeding_in: "Injection au réseau : {}",
    nothing_flows: "Aucun échange",
    no_power: "Le compteur n’indique pas sa puissance",
    price_among_neighbours: "Entre voisins",
    nothing_traded: "aucun échange",
    supplier_takes: "Du fournisseur",
    supplier_gives: "Au fournisseur",
    per_kwh: "par kWh",
    last_proved: "dans le dernier intervalle prouvé, {}",

    today: "Aujourd’hui",
    this_month: "Ce mois-ci",
    since_the_start: "Depuis le début",
    worth: "Ce que vos voisins ont valu",
    worth_means: "Ce que la même énergie aurait coûté et rapporté avec le seul fournisseur, moins ce qu’elle a coûté ; \
                  d’après les reçus vérifiés.",
    balance: "Solde",

    own_roof: "De votre toit",
    from_neighbours: "Des voisins",
    from_supplier: "Du fournisseur",
    to_neighbours: "Aux voisins",
    to_supplier: "Au fournisseur",
    chart: "Énergie par intervalle : soutirée au-dessus de la ligne, injectée en dessous",
    price_chart: "Prix entre voisins, par kWh",
    no_intervals: "Aucun intervalle de ce jour n’est encore prouvé.",
    consumed: "Consommé",
    produced: "Produit",

    day_before: "Jour précédent",
    day_after: "Jour suivant",
    month_before: "Mois précédent",
    month_after: "Mois suivant",
    intervals: "Intervalles",
    time: "Heure",
    price: "Prix",
    amount: "Montant",
    day: "Jour",
    total: "Total",
    statement: "Relevé",
    print: "Imprimer",
    figures_mean: "Chaque chiffre vient de reçus que cet agent a vérifiés. Les montants sont arrondis au centime ; les \
                   sommes sont celles des montants exacts.",

    alarms: "Alertes",
    no_alarms: "Aucune alerte. Chaque reçu jusqu’ici a été vérifié et il est juste.",
    what_to_do: "Que faire :",
    remedy,

    order: "Votre ordre",
    strategy: "Stratégie",
    order_placed: "Dernier ordre passé",
    no_order: "Aucun : sans ordre, le prix du marché est pris, quel qu’il soit.",
    buy_up_to: "acheter jusqu’à {} par kWh",
    sell_from: "vendre à partir de {} par kWh",
    buy_at_most: "acheter au plus {}",
    sell_at_most: "vendre au plus {}",
    at_any_price: "à tout prix",
    order_from: "à partir de {}",
    order_open: "pas encore de réponse",
    order_accepted: "accepté par le marché",
    order_refused: "refusé par le marché",

    proof: "Preuve",
    proved_until: "Prouvé jusqu’à",
    nothing_yet: "rien encore",
    receipts_verified: "Reçus vérifiés",
    receipts_refused: "Reçus refusés",
    waiting: "Relevés qui attendent un reçu : {}",
    last_reading: "Dernier relevé",
    member: "Membre",
    device: "Appareil",
    refused_by_market: "Refusé par le marché",
    finished: "L’enregistrement est terminé, et tout est réglé.",

    proof_of: "Preuve de {}",
    proof_intro: "Cet agent a vérifié le reçu de cet intervalle. Il a contrôlé que",
    checked: [
        "plus de deux tiers des validateurs, connus par le fichier de fondation de la communauté, ont signé le bloc qui \
         le contient ;",
        "le reçu est dans ce bloc, inchangé (une preuve de Merkle mène de lui à ce qui a été signé) ;",
        "il règle exactement l’énergie que votre compteur a mesurée et que cet agent a signée ;",
        "ses montants découlent de son énergie et de ses prix, à la dernière unité ;",
        "il respecte les limites de prix de votre propre ordre.",
    ],
    block: "Bloc",
    correction: "Correction",
    validators_signed: "Validateurs qui ont signé",
    receipt_itself: "Le reçu lui-même (JSON), que chacun peut vérifier : meter-agent verify",
    back: "Retour",

    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    weekdays: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    long_date: |weekday, day, month, year| {
        let day = if day == 1 { "1er".to_owned() } else { day.to_string() };
        format!("{weekday} {day} {month} {year}")
    },
    decimal_point: ',',
    sign_first: false,
};

fn remedy(kind: AlarmKind) -> (&'static str, &'static str) {
    match kind {
        AlarmKind::TwoTruths => (
            "Les validateurs ont confirmé deux écritures différentes pour le même intervalle de votre foyer.",
            "Les deux reçus sont gardés comme preuves. Montrez-les à vos voisins et à votre gestionnaire.",
        ),
        AlarmKind::ReceiptDoesNotVerify => (
            "Un reçu ne prouve pas ce qu’il doit, ou dit autre chose que ce que votre compteur a mesuré.",
            "Il est gardé comme preuve et ne compte pas. Interrogez votre gestionnaire, et montrez-le à vos voisins.",
        ),
        AlarmKind::ReadingRefused => (
            "Le marché refuse un relevé de votre compteur.",
            "Il est gardé et renvoyé. Si cela dure, donnez le nom du refus à votre gestionnaire.",
        ),
        AlarmKind::SequenceConflict => (
            "Le marché connaît un autre relevé sous le même numéro : quelqu’un a peut-être votre clé, ou une ancienne \
             copie a été restaurée.",
            "Arrêtez l’agent, et demandez une nouvelle clé d’appareil à votre gestionnaire.",
        ),
        AlarmKind::OrderRefused => {
            ("Le marché refuse votre ordre.", "Regardez vos limites de prix dans agent.toml, et relancez l’agent.")
        }
        AlarmKind::ReceiptMissing => (
            "Un relevé n’a pas de reçu longtemps après son intervalle.",
            "Il est gardé et renvoyé. Demandez le reçu de cet intervalle à votre gestionnaire.",
        ),
        AlarmKind::StorageFailed => (
            "Rien ne peut être enregistré, et ce qui ne l’est pas n’est pas signé.",
            "Faites de la place ou remplacez la carte, puis relancez l’agent. Aucune énergie n’est perdue.",
        ),
        AlarmKind::StateDamaged => (
            "Une partie de ce qui était enregistré n’était plus lisible.",
            "Une fois, après une coupure : rien. De nouveau : remplacez la carte, et utilisez meter-agent recover.",
        ),
        AlarmKind::MeterFailed => (
            "Le compteur est muet, ou montre ce qu’aucun compteur ne montre.",
            "Regardez son câble et ses réglages : meter-agent check dit ce qui ne va pas. Un compteur remplacé doit être \
             inscrit à nouveau.",
        ),
        AlarmKind::ClockWrong => {
            ("L’horloge de cette machine est fausse.", "Laissez le réseau la régler : timedatectl montre s’il le fait.")
        }
        AlarmKind::BrokerUnreachable => (
            "Le courtier de messages de la communauté est injoignable.",
            "Regardez votre réseau. Les relevés attendent et partent plus tard ; un jour sans réseau coûte des échanges, \
             jamais d’énergie.",
        ),
        AlarmKind::BrokerRefuses => (
            "Le courtier de messages ne laisse pas cet appareil lire ses propres sujets.",
            "Demandez l’accès de cet appareil à votre gestionnaire.",
        ),
        AlarmKind::ReceiptMisdelivered => (
            "Quelqu’un vous envoie les reçus d’autres foyers.",
            "Ils sont comptés et non gardés. Dites-le à votre gestionnaire : quelqu’un peut écrire là où seul le marché \
             devrait.",
        ),
        AlarmKind::MarketUnclear => {
            ("Le marché dit quelque chose que cet agent ne comprend pas.", "Si cela dure, mettez l’agent à jour.")
        }
    }
}
