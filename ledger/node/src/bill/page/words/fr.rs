//! French.

use super::Words;

/// As they are written in a date.
const SHORT: [&str; 12] =
    ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."];

pub(super) static WORDS: Words = Words {
    title: "Décompte pour {month}",
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
    date: |date| {
        let month = SHORT[usize::from(date.month().unsigned_abs() - 1) % SHORT.len()];
        format!("{}\u{a0}{month}\u{a0}{}", date.day(), date.year())
    },
    decimal_point: ",",
    group: "\u{202f}",

    to: "À",
    from: "De",
    vat_id: "N° TVA",
    tax_number: "Numéro fiscal",
    number: "Numéro du décompte",
    issued: "Établi le",
    due: "Échéance",
    member: "Membre",
    period: "Période",
    period_is: "du {first} au {after} ({zone})",

    total: "Total",
    nothing_to_pay: "Rien à payer",
    paid_to_member: "À vous verser",
    paid_by_member: "À payer",
    exactly: "Exactement {amount}, arrondi une seule fois ; reste {remainder}.",
    paid_out: "Versé le {day} sur votre compte {iban}.",
    collected: "Prélevé le {day} sur votre compte {iban} par prélèvement SEPA ; mandat {mandate}, identifiant créancier {creditor}.",

    bought: "Acheté aux voisins",
    sold: "Vendu aux voisins",
    drawn: "Soutiré auprès du fournisseur",
    fed_in: "Injecté vers le fournisseur",

    network: "Le réseau, qui ne fait pas partie de ce décompte",
    network_discount: "Pour {kwh} venus des voisins, le réseau coûte {amount} de moins. Votre gestionnaire de réseau le déduit de sa \
                       propre facture ; la somme est exacte, et arrondie une seule fois.",

    transfers: "Transferts, qui ne font pas partie de ce décompte",
    block: "Bloc",
    with: "Avec",
    what_for: "Objet",
    supplier: "le fournisseur",
    operator: "le gestionnaire de réseau",

    day_by_day: "Jour par jour",
    day: "Jour",
    bought_short: "Acheté",
    sold_short: "Vendu",
    drawn_short: "Soutiré",
    fed_in_short: "Injecté",
    figures_mean: "Énergie en kWh : achetée et vendue aux voisins, soutirée auprès du fournisseur et injectée vers lui. Les montants \
                   précédés d’un moins sont à votre charge.",

    late: "De l’énergie du fournisseur, {drawn} soutirés et {fed_in} injectés sont venus en retard : ils datent d’intervalles \
           antérieurs, peut-être du mois précédent.",
    late_unknown: "Intervalles dont on ne sait plus ce qui est venu en retard : {count}.",
    corrected: "Intervalles corrigés, chacun décompté une seule fois, selon la dernière correction : {count}.",
    provisional: "Intervalles provisoires, dont des valeurs manquent ou sont douteuses et peuvent être corrigées : {count}.",

    check: "Comment vérifier ce décompte",
    check_lines: "Le fichier {file} a une ligne pour chaque intervalle ; leur somme est ce décompte. Chaque ligne se trouve sur la \
                  chaîne {chain}, dans les blocs {first} à {last}, lue jusqu’au bloc {read_to}. Un reçu en prouve une. Votre agent \
                  de compteur a tous les vôtres, et les écrit pendant qu’il est arrêté :",
    check_at_validator: "Qui exploite un validateur en tire un de son registre :",
};
