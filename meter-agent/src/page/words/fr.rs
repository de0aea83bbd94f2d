//! French.

use access_log::Call;
use household::strategy::Why;
use protocol::{genesis::Technology, money::Price};

use super::{
    super::prices::{meaning::Meaning, refused::Refused},
    Checked, LookedUpWords, PriceWords, Words,
};
use crate::{
    alarm::{AlarmKind, Detail},
    check::ReceiptFault,
    clock::ClockFault,
};

pub(super) static WORDS: Words = Words {
    your_home: "Votre foyer",
    connected: "relié au courtier de messages",
    not_connected: "non relié au courtier de messages",
    market_heard: "dernier mot du marché : {}",
    market_not_heard: "pas encore de mot du marché",
    language: "Langue",
    not_live: "Cette page n’est plus à jour : l’agent ne répond pas. Ce qu’elle montre date d’un moment.",

    recording: "Ceci n’est pas un compteur : un enregistrement est rejoué. Rien sur cette page n’a été mesuré ici.",
    made_up: "Ceci n’est pas un compteur : ce foyer est inventé. Rien sur cette page n’a jamais été mesuré.",

    not_registered: "Pas encore inscrit",
    hand_in: "Remettez enrolment.json à votre opérateur : meter-agent init l’a créé, et meter-agent enrolment l’affiche de \
              nouveau.",
    then_by_itself: "Quand les validateurs vous auront admis, cet agent l’apprendra de lui-même, vérifiera la preuve et \
                     commencera à signer dès votre premier intervalle. D’ici là, rien n’est signé et rien n’est envoyé.",
    member_key: "Clé du membre",
    registration_refused: "Une inscription est arrivée qui n’est pas prouvée ; elle n’a pas été crue.",

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

    whose_roof: "De quel toit cela venait, et où allait le vôtre",
    neighbour: "Voisin",
    made_from: "Produit par",
    technology,
    no_certificate: "sans certificat",
    other_neighbours: "Autres : {}",
    not_told: "non communiqué",
    not_told_means: "De ce qui n’est pas communiqué, seule la somme est prouvée : le marché n’a pas envoyé les noms qui \
                     vont avec. Demandez-les à votre opérateur.",
    neighbours_proved: "Prouvé : les validateurs ont signé ces voisins avec chaque reçu, et leur somme donne les chiffres \
                        du reçu. Les voisins n’ont pas de nom ici, seulement les pseudonymes du registre.",

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
    no_alarms: "Aucune alerte. Chaque reçu jusqu’ici a été vérifié, et il est prouvé.",
    what_to_do: "Que faire :",
    remedy,

    detail,
    fault,
    refused_so_far: "Jusqu’ici : {} ; ils sont gardés comme preuves.",

    order: "Votre ordre",
    strategy: "Stratégie",
    order_placed: "Dernier ordre passé",
    no_order: "Aucun : sans ordre, le prix du marché est pris, quel qu’il soit.",
    battery: "Proposé à la batterie",
    battery_charges: "charger à {}",
    battery_discharges: "décharger à {}",
    battery_rests: "rien : la laisser faire",
    battery_until: "jusqu’à {} ; rien n’est commandé d’ici",
    island: "En îlotage",
    island_means: "Le réseau en amont a disparu. Ce qu’il y a est partagé avant chaque intervalle, selon le plan décidé ; \
                   votre part est prouvée.",
    island_until: "Vous pouvez soutirer, jusqu’à {}",
    island_then: "Et ensuite, jusqu’à {}",
    island_drawn: "Soutiré jusqu’ici",
    island_unserved: "demandé, mais pas disponible : {}",
    island_settled: "Soutiré {}",
    island_beyond: "au-delà de votre quota : {}",
    island_price: "Prix de l’îlot",
    buy_up_to: "acheter jusqu’à {} par kWh",
    sell_from: "vendre à partir de {} par kWh",
    buy_at_most: "acheter au plus {}",
    sell_at_most: "vendre au plus {}",
    at_any_price: "à tout prix",
    why,
    order_from: "à partir de {}",
    order_open: "pas encore de réponse",
    order_accepted: "accepté par le marché",
    order_refused: "refusé par le marché",

    prices: PriceWords {
        title: "Vos prix",
        change: "Voir vos prix, ou les changer",
        set_here: "réglée sur cette page, à la place de {} dans agent.toml",
        stands_now: "Ce qui vaut maintenant",
        as_in_file: "comme dans agent.toml",
        limits: "Limites",
        set_where: "Réglage",
        no_pin: "Rien ne peut être changé ici tant qu’il n’y a pas de code PIN. Définissez-en un sur la machine où tourne \
                 l’agent, et rechargez cette page :",
        no_pin_packaged: "Avec le paquet :",
        how: "Comment vous échangez",
        any_price: "À tout prix : jamais moins bien qu’avec le seul fournisseur",
        within_limits: "Dans mes propres limites",
        buy: "Acheter aux voisins jusqu’à ({} par kWh)",
        sell: "Vendre aux voisins à partir de ({} par kWh)",
        buy_cap: "Acheter au plus par intervalle (Wh)",
        sell_cap: "Vendre au plus par intervalle (Wh)",
        empty_means: "Ce qui reste vide n’est pas limité : le prix du fournisseur compte, et toute quantité.",
        look: "Voir ce que cela signifie",
        would_mean: "Ce que cela signifierait",
        meaning,
        from_then_on: "Votre agent signe alors un ordre qui le dit. Il vaut à partir du prochain intervalle où personne \
                       n’échange encore ; ce qui est échangé reste tel quel.",
        pin: "Code PIN",
        set: "Appliquer ces prix",
        take_back: "De nouveau comme dans agent.toml",
        take_back_means: "Ce qui a été réglé sur cette page est abandonné, et la stratégie {} d’agent.toml vaut de nouveau.",
        nothing_changed: "Rien n’a été changé.",
        refused,
    },

    looked_up: LookedUpWords {
        title: "Qui vous a consulté",
        means: "Un nœud du registre note, heure par heure, qui lui demande ce qui est à vous, avant de répondre ; voici ce que son journal \
                contenait quand vous l’avez demandé la dernière fois, prouvé, sans que rien ait été retiré depuis la fois d’avant. Ce \
                qu’un nœud omet, personne ne peut le voir. Votre nom n’est sur aucun registre : qui le cherche dans les fichiers de votre \
                exploitant n’est pas noté ici.",
        never_asked: "Vous n’avez pas encore demandé. Sur la machine où tourne l’agent, de préférence à chaque nœud que vous connaissez :",
        asked: "demandé : {}",
        refused: "La dernière réponse n’a pas été crue, ou il n’y en a pas eu. Ce qui suit date d’avant.",
        nobody: "Personne ne vous a consulté.",
        hour: "Dans l’heure de",
        what: "Quoi",
        of_whom: "De qui",
        you: "vous",
        everybody: "tous",
        role: "Rôle",
        who: "Jeton",
        call: |call| match call {
            Call::Receipts => "reçus d’un intervalle",
            Call::Inputs => "ce dont un intervalle a été calculé",
            Call::Settlements => "intervalles réglés, ligne par ligne",
            Call::Statement => "tout ce qui est inscrit au compte",
            Call::Members => "comptes, appareils et ordres",
            Call::Registration => "l’enregistrement",
            Call::Certificates => "certificats d’origine",
            Call::Accesses => "ce journal",
            Call::Standby => "ce que vous pouvez soutirer en îlotage",
        },
    },

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
    checked: Checked {
        committed: "plus de deux tiers des validateurs, connus par le fichier de fondation de la communauté, ont signé le \
                    bloc qui le contient",
        in_block: "le reçu est dans ce bloc, inchangé (une preuve de Merkle mène de lui à ce qui a été signé)",
        energy: "il règle exactement l’énergie que votre compteur a mesurée et que cet agent a signée",
        amounts: "ses montants découlent de son énergie et de ses prix, à la dernière unité",
        limits: "il respecte les limites de prix de votre propre ordre",
        semicolon: " ;",
    },
    drew_otherwise: "Pris du réseau : votre compteur a mesuré {} ; la valeur validée qui a été décidée est {}.",
    fed_in_otherwise: "Injecté dans le réseau : votre compteur a mesuré {} ; la valeur validée qui a été décidée est {}.",
    energy_not_compared: "Son énergie est celle qui a été décidée. Elle n’a pas été comparée à ce que votre compteur a \
                          mesuré : cet agent n’a plus de relevé de ce seul intervalle.",
    limits_not_on_island: "Cet intervalle était en îlotage, d’après votre quota prouvé : les limites de prix de votre ordre \
                           n’y comptent pas, et personne ne paie plus que le prix de l’îlot.",
    limits_not_checked: "Une correction n’est pas comparée aux limites de prix de votre ordre.",
    block: "Bloc",
    correction: "Correction",
    corrected: "corrigé (nº {})",
    corrected_of_day: "corrigés : {}",
    corrected_mean: "Intervalles corrigés : {}. Leur énergie est celle qui a été décidée, et peut différer de ce que votre \
                     compteur a mesuré ; la preuve de chacun en dit plus.",
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

fn technology(technology: Technology) -> &'static str {
    match technology {
        Technology::Solar => "soleil",
        Technology::Wind => "vent",
        Technology::Hydro => "eau",
        Technology::Biomass => "biomasse",
        Technology::Geothermal => "chaleur de la terre",
    }
}

fn remedy(kind: AlarmKind) -> (&'static str, &'static str) {
    match kind {
        AlarmKind::TwoTruths => (
            "Les validateurs ont confirmé deux écritures différentes pour le même intervalle de votre foyer.",
            "Les deux reçus sont gardés comme preuves. Montrez-les à vos voisins et à votre gestionnaire.",
        ),
        AlarmKind::OtherHistory => (
            "Des témoins hors de la communauté ont vu une autre histoire du registre que celle qu’on vous dit.",
            "Le reçu et la preuve sont gardés. Montrez-les à vos voisins, à votre gestionnaire et aux témoins.",
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
            ("Le marché refuse votre ordre.", "Réglez d’autres prix, ici ou dans agent.toml (puis relancez l’agent).")
        }
        AlarmKind::StatusRefused => (
            "Le marché ou le registre refuse ce que votre agent annonce de votre batterie et de vos appareils vitaux.",
            "Corrigez [battery] et [island] dans agent.toml, puis relancez l’agent. Ce qui a été décidé pour votre foyer, \
             votre opérateur le sait.",
        ),
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
        AlarmKind::RegistrationDiffers => (
            "Les validateurs ont inscrit ce foyer autrement que ne le dit agent.toml.",
            "Pour l’instant, agent.toml compte. Corrigez-y [registration], ou supprimez cette section, puis redémarrez \
             l’agent.",
        ),
        AlarmKind::NotWitnessed => (
            "On ne sait pas si assez de témoins ont vu le registre tel qu’on vous le dit.",
            "Si cela dure un jour, interrogez votre gestionnaire. Si d’autres foyers ne l’ont pas, on vous dit peut-être une autre histoire.",
        ),
        AlarmKind::MarketUnclear => {
            ("Le marché dit quelque chose que cet agent ne comprend pas.", "Si cela dure, mettez l’agent à jour.")
        }
    }
}

fn meaning(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Unproved => "Les prix du fournisseur ne sont pas encore prouvés : ils viennent avec le premier reçu.",
        Meaning::BuyUpToSupplier { .. } => {
            "Aux voisins vous achetez jusqu’au prix du fournisseur, {} : jamais plus cher que sans eux."
        }
        Meaning::BuyBelow { .. } => {
            "Aux voisins vous achetez à {} ou moins, au moins {} de moins qu’au fournisseur. Ce qui est plus cher, ou \
             manque, vient du fournisseur à {}."
        }
        Meaning::BuyAbove { .. } => {
            "Vous pourriez payer à un voisin jusqu’à {}, soit {} de plus que ce que prend le fournisseur."
        }
        Meaning::BuyHardly { .. } => {
            "Vous n’achèterez guère aux voisins : à {}, ils gagnent plus auprès du fournisseur, qui donne {}."
        }
        Meaning::SellDownToSupplier { .. } => {
            "Aux voisins vous vendez jusqu’à ce que donne le fournisseur, {} : jamais moins cher que sans eux."
        }
        Meaning::SellAbove { .. } => {
            "Aux voisins vous vendez à {} ou plus, au moins {} de plus qu’au fournisseur. Ce que personne ne prend à ce \
             prix va au fournisseur à {}."
        }
        Meaning::SellBelow { .. } => {
            "Un voisin pourrait ne vous payer que {}, soit {} de moins que ce que donne le fournisseur."
        }
        Meaning::SellHardly { .. } => {
            "Vous ne vendrez guère aux voisins : à {}, ils paient moins au fournisseur, qui prend {}."
        }
        Meaning::SellAboveBuy => {
            "Vous demandez plus que vous ne paieriez vous-même. C’est permis : dans un intervalle, vous achetez ou vous \
             vendez."
        }
    }
}

fn refused(refused: &Refused) -> &'static str {
    match refused {
        Refused::ForeignOrigin => "Ceci ne vient pas de cette page, mais d’un autre site. Ouvrez la page elle-même.",
        Refused::NotAForm => "Ceci n’est pas ce qu’envoie le formulaire de cette page. Utilisez le formulaire.",
        Refused::UnknownStrategy { .. } => {
            "Attendu l’une des deux façons d’échanger, trouvé « {} ». Choisissez-en une."
        }
        Refused::NotAPrice { .. } => {
            "Attendu un prix comme 0,28, avec 6 décimales au plus, ou rien ; trouvé « {} ». Corrigez-le."
        }
        Refused::NotWattHours { .. } => {
            "Attendu des wattheures entiers comme 4000, ou rien ; trouvé « {} ». Corrigez-les."
        }
        Refused::OldPage => {
            "Cette page est ancienne, ou autre chose vaut désormais. Regardez ci-dessous, et entrez de nouveau le code PIN."
        }
        Refused::NoPin => "Aucun code PIN ne permet un changement. Définissez-en un sur la machine de l’agent.",
        Refused::WrongPin { .. } => "Ce n’est pas le code PIN. Erreurs de suite encore possibles avant une pause : {}.",
        Refused::PinPaused { .. } => {
            "Trop de codes PIN faux. Aucun n’est accepté pour l’instant, pas même le bon ; minutes à attendre : {}. Un autre \
             code PIN, défini sur la machine de l’agent, met fin à la pause."
        }
        Refused::PinUnusable => {
            "Le code PIN ne peut être ni lu ni compté. Le journal de l’agent dit pourquoi ; définissez-le de nouveau."
        }
        Refused::NotKept => "Cela n’a pas pu être enregistré. Regardez les alertes : le disque est-il plein ?",
    }
}

fn why(why: &Why, price: &dyn Fn(Price) -> String) -> String {
    match why {
        Why::PriceTaker => "tout prix convient".into(),
        Why::SameAtAllTimes => "les mêmes limites à toute heure".into(),
        Why::InWindow { from, to, time_zone } => format!("dans la fenêtre de {from} à {to} ({time_zone})"),
        Why::OutsideWindows => "hors de toute fenêtre".into(),
        Why::ByChance { feed_in_price, retail_price } => {
            format!("tiré au hasard, entre {} et {}", price(*feed_in_price), price(*retail_price))
        }
        Why::Learned { limits, lowest, highest } => {
            format!("d’après ce qu’a rapporté chacune des {limits} limites de {} à {}", price(*lowest), price(*highest))
        }
        Why::PricesOfTheDay { lowest, highest } => {
            format!("les prix entre voisins sont allés de {} à {} en un jour", price(*lowest), price(*highest))
        }
        Why::NoPriceOfTheDay => "aucun prix du dernier jour n’est encore prouvé".into(),
        Why::BatteryEmpty => "la batterie était presque vide : ce qui manque ne peut pas attendre".into(),
        Why::BatteryFull => "la batterie était presque pleine : le surplus ne peut pas attendre".into(),
        Why::Agreed { coalition } => format!("convenu dans la coalition {coalition}"),
        Why::TariffsUnproved => "les prix du fournisseur ne sont pas encore prouvés".into(),
        Why::BelowSupplier { discount, retail_price } => {
            format!("{} de moins que le fournisseur, qui prend {}", price(*discount), price(*retail_price))
        }
    }
}

fn detail(detail: &Detail) -> &'static str {
    match detail {
        // These are said by what is wrong with the receipt.
        Detail::ReceiptRefused(..) | Detail::Misdelivered(_) => "",
        Detail::Said(_) => "En anglais, tel quel : {}",
        Detail::TopicsRefused => "Il ne laisse pas cet appareil lire ses propres sujets.",
        Detail::NothingStored(_) => "{} Rien n’est signé jusqu’à ce que l’agent soit relancé.",
        Detail::NotProved { .. } => "Le règlement du relevé {} de {} n’est pas prouvé, alors que celui de {} l’est.",
        Detail::ReceiptUnreadable(_) => {
            "Le reçu de {} n’était plus lisible. Un autre, revenu depuis, est à sa place, et aucune somme n’a \
             changé."
        }
        Detail::ReadingUnreadable(_) => "Le relevé {} n’est plus lisible dans l’état, et n’est pas envoyé.",
        Detail::EntriesDropped(_) => "Entrées illisibles et abandonnées : {}.",
        Detail::DatabaseLost(_) => {
            "{} avait été perdue, remise en arrière ou arrachée à sa fin. La dernière signature était gardée à part \
             ; des reçus et des sommes d’avant manquent peut-être."
        }
        Detail::TwoTruths(_) => "Pour {}, une autre écriture a été réglée avant, avec d’autres chiffres.",
        Detail::OtherHistory(..) => "Le bloc {} est un autre dans le registre que ceux-ci ont vu : {}.",
        Detail::NotWitnessed(..) => "Sur le bloc {} : {}",
        Detail::ReceiptsRefused(_) => "Reçus refusés auparavant : {} ; ils sont gardés comme preuves.",
        Detail::Refused(..) => "Il appelle cela {} et dit : {}",
        Detail::OtherReading(_) => "Il dit : {}",
        Detail::OtherLength(..) => "Attendu des intervalles de {} minutes, trouvé des intervalles de {} minutes.",
        Detail::NotUnderstood { .. } => "Ce qui n’a pas été compris : {}",
        Detail::RegistrationDiffers(..) => "Ici : {}. Décidé et prouvé : {}.",
        Detail::Clock(ClockFault::NotSet(_)) => "Elle n’a jamais été réglée : elle montre {}.",
        Detail::Clock(ClockFault::NotEnded { .. }) => {
            "Le marché demande {}, qui finit dans {} s d’après l’horloge de cette machine : l’une des deux horloges \
             est fausse."
        }
        Detail::Clock(ClockFault::JumpedBack(_)) => "Elle a reculé de {} s.",
    }
}

fn fault(fault: &ReceiptFault) -> &'static str {
    match fault {
        ReceiptFault::Malformed(_) => "Ce n’est pas un reçu : {}.",
        ReceiptFault::TooLarge { .. } => "Un reçu a {} octets au plus, celui-ci en avait {}.",
        ReceiptFault::NotProved(_) => "Les validateurs ne l’ont pas confirmé : {}.",
        ReceiptFault::OtherCommunity { .. } => "Il est d’une autre communauté.",
        ReceiptFault::OtherMember { .. } => "Il est d’un autre membre, {}.",
        ReceiptFault::OtherLength { .. } => "Son intervalle n’a pas la longueur de ceux de la communauté.",
        ReceiptFault::Contradiction(_) => {
            "Pour {}, une autre écriture a été réglée avant, avec d’autres chiffres : les validateurs ont confirmé \
             deux vérités."
        }
        ReceiptFault::EnergyBalance { .. } => {
            "Dans l’intervalle à partir de {}, il règle {}, alors que ce compteur a signé {}."
        }
        ReceiptFault::BoughtAboveDeficit { .. } => "Acheté aux voisins : {}, alors que {} au plus ont été soutirés.",
        ReceiptFault::SoldAboveSurplus { .. } => "Vendu aux voisins : {}, alors que {} au plus ont été injectés.",
        ReceiptFault::AboveCap { .. } => "Échangé avec les voisins : {}, alors que votre propre limite est {}.",
        ReceiptFault::WrongAmount { .. } => {
            "Un montant de {} pour {} ne découle pas de l’énergie et du prix : cela fait {}."
        }
        ReceiptFault::PaidAboveLimit { .. } => "Payé : {} pour {}, alors que votre propre limite est {} par kWh.",
        ReceiptFault::EarnedBelowLimit { .. } => "Gagné : {} pour {}, alors que vous vouliez au moins {} par kWh.",
        ReceiptFault::NeighboursDoNotAddUp { .. } => "Ses voisins font {} en tout, alors que le reçu dit {}.",
        ReceiptFault::OutOfRange => "Ses montants dépassent toute limite.",
    }
}
