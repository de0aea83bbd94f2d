//! German.

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
    your_home: "Ihr Zuhause",
    connected: "mit dem Broker verbunden",
    not_connected: "nicht mit dem Broker verbunden",
    market_heard: "letztes Wort des Marktes: {}",
    market_not_heard: "noch kein Wort des Marktes",
    language: "Sprache",
    not_live: "Diese Seite ist nicht aktuell: Der Agent antwortet nicht. Was sie zeigt, galt vor einer Weile.",

    recording: "Das ist kein Zähler: Eine Aufzeichnung wird abgespielt. Nichts auf dieser Seite wurde hier gemessen.",
    made_up: "Das ist kein Zähler: Dieser Haushalt ist erfunden. Nichts auf dieser Seite wurde je gemessen.",

    not_registered: "Noch nicht registriert",
    hand_in: "Geben Sie Ihrem Betreiber enrolment.json: meter-agent init hat die Datei angelegt, und meter-agent enrolment \
              gibt sie noch einmal aus.",
    then_by_itself: "Wenn die Validatoren Sie aufgenommen haben, erfährt dieser Agent es von selbst, prüft den Beweis und \
                     unterschreibt ab Ihrem ersten Intervall. Bis dahin wird nichts unterschrieben und nichts gesendet.",
    member_key: "Mitgliedsschlüssel",
    registration_refused: "Es kam eine Registrierung, die nicht bewiesen ist; ihr wurde nicht geglaubt.",

    now: "Jetzt",
    drawing: "Bezug aus dem Netz: {}",
    feeding_in: "Einspeisung ins Netz: {}",
    nothing_flows: "Es fließt nichts",
    no_power: "Der Zähler zeigt seine Leistung nicht",
    price_among_neighbours: "Unter Nachbarn",
    nothing_traded: "nichts gehandelt",
    supplier_takes: "Vom Versorger",
    supplier_gives: "An den Versorger",
    per_kwh: "je kWh",
    last_proved: "im zuletzt bewiesenen Intervall, {}",

    today: "Heute",
    this_month: "Dieser Monat",
    since_the_start: "Seit Beginn",
    worth: "Was Ihre Nachbarn wert waren",
    worth_means: "Was dieselbe Energie allein mit dem Versorger gekostet und eingebracht hätte, abzüglich dessen, was sie \
                  tatsächlich kostete; aus geprüften Belegen.",
    balance: "Saldo",

    own_roof: "Vom eigenen Dach",
    from_neighbours: "Von Nachbarn",
    from_supplier: "Vom Versorger",
    to_neighbours: "An Nachbarn",
    to_supplier: "An den Versorger",
    chart: "Energie je Intervall: Bezug über der Linie, Einspeisung darunter",
    price_chart: "Preis unter Nachbarn, je kWh",
    no_intervals: "Von diesem Tag ist noch kein Intervall bewiesen.",
    consumed: "Verbraucht",
    produced: "Erzeugt",

    whose_roof: "Von wessen Dach es kam, und wohin Ihres ging",
    neighbour: "Nachbar",
    made_from: "Erzeugt aus",
    technology,
    no_certificate: "ohne Zertifikat",
    other_neighbours: "Weitere: {}",
    not_told: "nicht mitgeteilt",
    not_told_means: "Von dem, was nicht mitgeteilt ist, ist nur die Summe bewiesen: Der Markt hat nicht geschickt, wer \
                     dahintersteht. Fragen Sie Ihren Betreiber danach.",
    neighbours_proved: "Bewiesen: Die Validatoren haben diese Nachbarn mit jedem Beleg unterschrieben, und zusammen \
                        ergeben sie dessen Zahlen. Namen haben Nachbarn hier nicht, nur die Pseudonyme des Ledgers.",

    day_before: "Tag davor",
    day_after: "Tag danach",
    month_before: "Monat davor",
    month_after: "Monat danach",
    intervals: "Intervalle",
    time: "Zeit",
    price: "Preis",
    amount: "Betrag",
    day: "Tag",
    total: "Summe",
    statement: "Abrechnung",
    print: "Drucken",
    figures_mean: "Jede Zahl stammt aus Belegen, die dieser Agent geprüft hat. Beträge sind hier auf Cent gerundet; \
                   summiert wird genau.",

    alarms: "Warnungen",
    no_alarms: "Keine Warnungen. Jeder Beleg bisher wurde geprüft und ist bewiesen.",
    what_to_do: "Was zu tun ist:",
    remedy,

    detail,
    fault,
    refused_so_far: "Bisher so viele: {}; sie werden als Beweis aufbewahrt.",

    order: "Ihr Gebot",
    strategy: "Strategie",
    order_placed: "Zuletzt abgegeben",
    no_order: "Keines: Ohne Gebot gilt der Preis des Markts, wie er auch ist.",
    battery: "Vorschlag für die Batterie",
    battery_charges: "laden mit {}",
    battery_discharges: "entladen mit {}",
    battery_rests: "nichts: sich selbst überlassen",
    battery_until: "bis {}; von hier aus wird nichts gesteuert",
    island: "Auf der Insel",
    island_means: "Das Netz darüber ist weg. Was da ist, wurde vor jedem Intervall nach dem beschlossenen Plan geteilt; Ihr \
                   Teil ist bewiesen.",
    island_until: "Sie dürfen beziehen, bis {}",
    island_then: "Und dann, bis {}",
    island_drawn: "Bisher bezogen",
    island_unserved: "beansprucht und nicht da: {}",
    island_settled: "Bezogen {}",
    island_beyond: "über Ihr Kontingent hinaus: {}",
    island_price: "Preis auf der Insel",
    buy_up_to: "kaufen bis {} je kWh",
    sell_from: "verkaufen ab {} je kWh",
    buy_at_most: "höchstens {} kaufen",
    sell_at_most: "höchstens {} verkaufen",
    at_any_price: "zu jedem Preis",
    why,
    order_from: "ab {}",
    order_open: "noch nicht beantwortet",
    order_accepted: "vom Markt angenommen",
    order_refused: "vom Markt abgelehnt",

    prices: PriceWords {
        title: "Ihre Preise",
        change: "Ihre Preise ansehen oder ändern",
        set_here: "auf dieser Seite eingestellt, anstelle von {} in agent.toml",
        stands_now: "Was jetzt gilt",
        as_in_file: "wie in agent.toml",
        limits: "Grenzen",
        set_where: "Eingestellt",
        no_pin: "Hier lässt sich nichts ändern, solange es keine PIN gibt. Legen Sie eine fest, auf dem Rechner, auf dem \
                 der Agent läuft, und laden Sie diese Seite neu:",
        no_pin_packaged: "Mit dem Paket:",
        how: "Wie Sie handeln",
        any_price: "Zu jedem Preis: nie schlechter als mit dem Versorger allein",
        within_limits: "In meinen eigenen Grenzen",
        buy: "Von Nachbarn kaufen bis ({} je kWh)",
        sell: "An Nachbarn verkaufen ab ({} je kWh)",
        buy_cap: "Höchstens kaufen je Intervall (Wh)",
        sell_cap: "Höchstens verkaufen je Intervall (Wh)",
        empty_means: "Was leer bleibt, ist nicht begrenzt: Dann zählt der Preis des Versorgers, und jede Menge.",
        look: "Ansehen, was das heißt",
        would_mean: "Was das hieße",
        meaning,
        from_then_on: "Ihr Agent unterschreibt dann ein Gebot, das das sagt. Es gilt ab dem nächsten Intervall, in dem \
                       noch niemand handelt; was gehandelt ist, bleibt, wie es ist.",
        pin: "PIN",
        set: "Diese Preise einstellen",
        take_back: "Wieder wie in agent.toml",
        take_back_means: "Was auf dieser Seite eingestellt wurde, fällt weg, und die Strategie {} aus agent.toml gilt wieder.",
        nothing_changed: "Es wurde nichts geändert.",
        refused,
    },

    looked_up: LookedUpWords {
        title: "Wer Sie nachgeschlagen hat",
        means: "Ein Knoten des Ledgers schreibt Stunde für Stunde auf, wer ihn nach dem fragt, was Ihres ist, bevor er antwortet; hier \
                steht, was sein Protokoll hatte, als Sie zuletzt fragten, bewiesen, und seit dem Mal davor wurde nichts zurückgenommen. \
                Was ein Knoten weglässt, kann niemand sehen. Ihr Name steht auf keinem Ledger: Wer ihn in den Dateien Ihres Betreibers \
                nachschlägt, wird hier nicht aufgeschrieben.",
        never_asked: "Sie haben noch nicht gefragt. Auf dem Gerät, auf dem der Agent läuft, am besten jeden Knoten, den Sie kennen:",
        asked: "gefragt: {}",
        refused: "Der letzten Antwort wurde nicht geglaubt, oder es kam keine. Was darunter steht, ist von vorher.",
        nobody: "Niemand hat Sie nachgeschlagen.",
        hour: "In der Stunde ab",
        what: "Was",
        of_whom: "Von wem",
        you: "Ihnen",
        everybody: "allen",
        role: "Rolle",
        who: "Token",
        call: |call| match call {
            Call::Receipts => "Belege eines Intervalls",
            Call::Inputs => "woraus ein Intervall berechnet wurde",
            Call::Settlements => "abgerechnete Intervalle, Zeile für Zeile",
            Call::Statement => "alles, was auf dem Konto gebucht ist",
            Call::Members => "Konten, Geräte und Aufträge",
            Call::Registration => "die Registrierung",
            Call::Certificates => "Herkunftsnachweise",
            Call::Accesses => "dieses Protokoll",
            Call::Standby => "was Sie im Inselbetrieb beziehen dürfen",
        },
    },

    proof: "Beweis",
    proved_until: "Bewiesen bis",
    nothing_yet: "noch nichts",
    receipts_verified: "Geprüfte Belege",
    receipts_refused: "Abgelehnte Belege",
    waiting: "Messwerte, die auf einen Beleg warten: {}",
    last_reading: "Letzter Messwert",
    member: "Mitglied",
    device: "Gerät",
    refused_by_market: "Vom Markt abgelehnt",
    finished: "Die Aufzeichnung ist zu Ende, und alles ist abgerechnet.",

    proof_of: "Beweis für {}",
    proof_intro: "Dieser Agent hat den Beleg dieses Intervalls geprüft, nämlich dass",
    checked: Checked {
        committed: "mehr als zwei Drittel der Prüfer, die aus der Gründungsdatei der Gemeinschaft bekannt sind, den Block \
                    unterschrieben haben, der ihn enthält",
        in_block: "der Beleg unverändert in diesem Block steht (ein Merkle-Beweis führt von ihm zu dem, was \
                   unterschrieben wurde)",
        energy: "er genau die Energie abrechnet, die Ihr Zähler gemessen und dieser Agent unterschrieben hat",
        amounts: "seine Beträge auf die letzte Stelle aus Energie und Preisen folgen",
        limits: "er die Preisgrenzen Ihres eigenen Gebots einhält",
        semicolon: ";",
    },
    drew_otherwise: "Aus dem Netz bezogen: Ihr Zähler hat {} gemessen; der validierte Wert, der beschlossen wurde, ist {}.",
    fed_in_otherwise: "Ins Netz gespeist: Ihr Zähler hat {} gemessen; der validierte Wert, der beschlossen wurde, ist {}.",
    energy_not_compared: "Seine Energie ist die, die beschlossen wurde. Sie wurde nicht mit dem verglichen, was Ihr Zähler \
                          gemessen hat: Dieser Agent hat keinen Messwert mehr, der nur von diesem Intervall ist.",
    limits_not_on_island: "Dieses Intervall war auf einer Insel, wie Ihr bewiesenes Kontingent zeigt: Dort zählen die \
                           Preisgrenzen Ihres Gebots nicht, und niemand zahlt mehr als den Preis der Insel.",
    limits_not_checked: "Eine Korrektur wird nicht mit den Preisgrenzen Ihres Gebots verglichen.",
    block: "Block",
    correction: "Korrektur",
    corrected: "korrigiert (Nr. {})",
    corrected_of_day: "korrigiert: {}",
    corrected_mean: "Korrigierte Intervalle: {}. Ihre Energie ist die, die beschlossen wurde, und kann von dem abweichen, was \
                     Ihr Zähler gemessen hat; der Beweis von jedem sagt mehr.",
    validators_signed: "Prüfer, die unterschrieben haben",
    receipt_itself: "Der Beleg selbst (JSON), den jeder prüfen kann: meter-agent verify",
    back: "Zurück",

    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    weekdays: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    long_date: |weekday, day, month, year| format!("{weekday}, {day}. {month} {year}"),
    decimal_point: ',',
    sign_first: false,
};

fn technology(technology: Technology) -> &'static str {
    match technology {
        Technology::Solar => "Sonne",
        Technology::Wind => "Wind",
        Technology::Hydro => "Wasser",
        Technology::Biomass => "Biomasse",
        Technology::Geothermal => "Erdwärme",
    }
}

fn remedy(kind: AlarmKind) -> (&'static str, &'static str) {
    match kind {
        AlarmKind::TwoTruths => (
            "Die Prüfer haben für dasselbe Intervall zwei verschiedene Einträge von Ihnen bestätigt.",
            "Beide Belege sind als Beweismittel aufbewahrt. Zeigen Sie sie Ihren Nachbarn und Ihrem Betreiber.",
        ),
        AlarmKind::OtherHistory => (
            "Zeugen außerhalb der Gemeinschaft haben eine andere Geschichte des Hauptbuchs gesehen, als man Ihnen sagt.",
            "Beleg und Beweis sind aufbewahrt. Zeigen Sie sie Ihren Nachbarn, Ihrem Betreiber und den Zeugen.",
        ),
        AlarmKind::ReceiptDoesNotVerify => (
            "Ein Beleg beweist nicht, was er muss, oder sagt anderes, als Ihr Zähler gemessen hat.",
            "Er ist als Beweismittel aufbewahrt und zählt nicht. Fragen Sie Ihren Betreiber, und zeigen Sie ihn den \
             Nachbarn.",
        ),
        AlarmKind::ReadingRefused => (
            "Der Markt lehnt einen Messwert Ihres Zählers ab.",
            "Er ist aufbewahrt und wird wieder gesendet. Bleibt es dabei, nennen Sie Ihrem Betreiber den Namen der \
             Ablehnung.",
        ),
        AlarmKind::SequenceConflict => (
            "Der Markt kennt einen anderen Messwert unter derselben Nummer: Vielleicht hat jemand Ihren Schlüssel, oder \
             es wurde eine alte Kopie zurückgespielt.",
            "Halten Sie den Agenten an, und bitten Sie Ihren Betreiber um einen neuen Geräteschlüssel.",
        ),
        AlarmKind::OrderRefused => (
            "Der Markt lehnt Ihr Gebot ab.",
            "Stellen Sie andere Preise ein, hier oder in agent.toml (dann starten Sie den Agenten neu).",
        ),
        AlarmKind::StatusRefused => (
            "Der Markt oder das Hauptbuch lehnt ab, was Ihr Agent von Batterie und lebenswichtigen Geräten meldet.",
            "Berichtigen Sie [battery] und [island] in agent.toml, und starten Sie den Agenten neu. Was für Ihren Haushalt \
             beschlossen wurde, weiß Ihr Betreiber.",
        ),
        AlarmKind::ReceiptMissing => (
            "Ein Messwert hat lange nach seinem Intervall keinen Beleg.",
            "Er ist aufbewahrt und wird wieder gesendet. Fragen Sie Ihren Betreiber nach dem Beleg dieses Intervalls.",
        ),
        AlarmKind::StorageFailed => (
            "Es kann nichts gespeichert werden, und was nicht gespeichert ist, wird nicht unterschrieben.",
            "Schaffen Sie Platz, oder ersetzen Sie die Karte, und starten Sie den Agenten neu. Es geht keine Energie \
             verloren.",
        ),
        AlarmKind::StateDamaged => (
            "Einiges vom Gespeicherten war nicht mehr lesbar.",
            "Einmal, nach einem Stromausfall: nichts. Wieder: Ersetzen Sie die Karte; meter-agent recover stellt her, was \
             fehlt.",
        ),
        AlarmKind::MeterFailed => (
            "Der Zähler schweigt oder zeigt, was kein Zähler zeigt.",
            "Prüfen Sie Kabel und Einstellungen: meter-agent check sagt, was nicht stimmt. Ein getauschter Zähler muss \
             neu angemeldet werden.",
        ),
        AlarmKind::ClockWrong => (
            "Die Uhr dieses Rechners geht falsch.",
            "Lassen Sie sie vom Netz stellen: timedatectl zeigt, ob das geschieht.",
        ),
        AlarmKind::BrokerUnreachable => (
            "Der Broker der Gemeinschaft ist nicht erreichbar.",
            "Prüfen Sie Ihr Netz. Messwerte warten und werden später gesendet; ein Tag ohne Netz kostet Handel, nie \
             Energie.",
        ),
        AlarmKind::BrokerRefuses => (
            "Der Broker lässt dieses Gerät seine eigenen Themen nicht lesen.",
            "Bitten Sie Ihren Betreiber um den Zugang für dieses Gerät.",
        ),
        AlarmKind::ReceiptMisdelivered => (
            "Jemand schickt Ihnen Belege anderer Haushalte.",
            "Sie werden gezählt und nicht aufbewahrt. Sagen Sie es Ihrem Betreiber: Der Broker lässt jemanden schreiben, \
             wo nur der Markt darf.",
        ),
        AlarmKind::RegistrationDiffers => (
            "Die Validatoren haben diesen Haushalt anders registriert, als agent.toml es sagt.",
            "Vorerst zählt agent.toml. Berichtigen Sie dort [registration], oder nehmen Sie den Abschnitt heraus, und \
             starten Sie den Agenten neu.",
        ),
        AlarmKind::NotWitnessed => (
            "Es ist nicht bekannt, dass genug Zeugen das Hauptbuch so gesehen haben, wie man es Ihnen sagt.",
            "Bleibt es einen Tag dabei, fragen Sie Ihren Betreiber. Haben andere Haushalte es nicht, sagt man Ihnen vielleicht eine andere Geschichte.",
        ),
        AlarmKind::MarketUnclear => {
            ("Der Markt sagt etwas, das dieser Agent nicht versteht.", "Bleibt es dabei, erneuern Sie den Agenten.")
        }
    }
}

fn meaning(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Unproved => "Die Preise des Versorgers sind noch nicht bewiesen: Sie kommen mit dem ersten Beleg.",
        Meaning::BuyUpToSupplier { .. } => {
            "Von Nachbarn kaufen Sie bis zum Preis des Versorgers, {}: nie teurer als ohne sie."
        }
        Meaning::BuyBelow { .. } => {
            "Von Nachbarn kaufen Sie für {} oder weniger, mindestens {} unter dem Versorger. Was teurer ist oder fehlt, kommt \
             vom Versorger für {}."
        }
        Meaning::BuyAbove { .. } => {
            "Sie zahlen einem Nachbarn vielleicht bis zu {}, das sind {} mehr, als der Versorger nimmt."
        }
        Meaning::BuyHardly { .. } => {
            "Von Nachbarn kaufen Sie kaum etwas: Für {} bekommen sie vom Versorger mehr, der {} gibt."
        }
        Meaning::SellDownToSupplier { .. } => {
            "An Nachbarn verkaufen Sie bis hinab zu dem, was der Versorger gibt, {}: nie für weniger als ohne sie."
        }
        Meaning::SellAbove { .. } => {
            "An Nachbarn verkaufen Sie für {} oder mehr, mindestens {} über dem Versorger. Was dafür niemand nimmt, geht an \
             den Versorger für {}."
        }
        Meaning::SellBelow { .. } => {
            "Ein Nachbar zahlt Ihnen vielleicht nur {}, das sind {} weniger, als der Versorger gibt."
        }
        Meaning::SellHardly { .. } => {
            "An Nachbarn verkaufen Sie kaum etwas: Statt {} zahlen sie dem Versorger weniger, der {} nimmt."
        }
        Meaning::SellAboveBuy => {
            "Sie verlangen mehr, als Sie selbst zahlen würden. Das darf sein: In einem Intervall kaufen oder verkaufen Sie."
        }
    }
}

fn refused(refused: &Refused) -> &'static str {
    match refused {
        Refused::ForeignOrigin => {
            "Das kam nicht von dieser Seite, sondern von einer fremden. Öffnen Sie die Seite selbst."
        }
        Refused::NotAForm => "Das ist nicht, was das Formular dieser Seite sendet. Benutzen Sie das Formular.",
        Refused::UnknownStrategy { .. } => {
            "Erwartet war eine der beiden Arten zu handeln, gefunden „{}“. Wählen Sie eine."
        }
        Refused::NotAPrice { .. } => {
            "Erwartet war ein Preis wie 0,28 mit höchstens 6 Nachkommastellen, oder nichts; gefunden „{}“. Berichtigen Sie \
             ihn."
        }
        Refused::NotWattHours { .. } => {
            "Erwartet waren ganze Wattstunden wie 4000, oder nichts; gefunden „{}“. Berichtigen Sie sie."
        }
        Refused::OldPage => {
            "Diese Seite ist alt, oder inzwischen gilt etwas anderes. Sehen Sie unten nach, und geben Sie die PIN neu ein."
        }
        Refused::NoPin => {
            "Es gibt keine PIN, die eine Änderung erlaubt. Legen Sie auf dem Rechner des Agenten eine fest."
        }
        Refused::WrongPin { .. } => {
            "Das ist nicht die PIN. So viele falsche nacheinander sind noch möglich, bevor es eine Pause gibt: {}."
        }
        Refused::PinPaused { .. } => {
            "Zu viele falsche PINs. Vorerst zählt keine, auch nicht die richtige; Minuten, die zu warten sind: {}. Eine andere \
             PIN, auf dem Rechner des Agenten festgelegt, beendet die Pause."
        }
        Refused::PinUnusable => {
            "Die PIN lässt sich nicht lesen oder zählen. Das Protokoll des Agenten sagt, warum; legen Sie sie neu fest."
        }
        Refused::NotKept => "Das ließ sich nicht speichern. Sehen Sie die Warnungen an: Ist die Platte voll?",
    }
}

fn why(why: &Why, price: &dyn Fn(Price) -> String) -> String {
    match why {
        Why::PriceTaker => "jeder Preis ist recht".into(),
        Why::SameAtAllTimes => "immer dieselben Grenzen".into(),
        Why::InWindow { from, to, time_zone } => format!("im Fenster von {from} bis {to} ({time_zone})"),
        Why::OutsideWindows => "außerhalb aller Fenster".into(),
        Why::ByChance { feed_in_price, retail_price } => {
            format!("durch Zufall, zwischen {} und {}", price(*feed_in_price), price(*retail_price))
        }
        Why::Learned { limits, lowest, highest } => format!(
            "nach dem, was jede von {limits} Grenzen von {} bis {} eingebracht hat",
            price(*lowest),
            price(*highest)
        ),
        Why::PricesOfTheDay { lowest, highest } => {
            format!("die Preise unter Nachbarn gingen an einem Tag von {} bis {}", price(*lowest), price(*highest))
        }
        Why::NoPriceOfTheDay => "noch ist kein Preis des letzten Tages bewiesen".into(),
        Why::BatteryEmpty => "die Batterie war fast leer: Was fehlt, kann nicht warten".into(),
        Why::BatteryFull => "die Batterie war fast voll: Was übrig ist, kann nicht warten".into(),
        Why::Agreed { coalition } => format!("so vereinbart im Bund {coalition}"),
        Why::TariffsUnproved => "die Preise des Versorgers sind noch nicht bewiesen".into(),
        Why::BelowSupplier { discount, retail_price } => {
            format!("{} unter dem Versorger, der {} nimmt", price(*discount), price(*retail_price))
        }
    }
}

fn detail(detail: &Detail) -> &'static str {
    match detail {
        // These are said by what is wrong with the receipt.
        Detail::ReceiptRefused(..) | Detail::Misdelivered(_) => "",
        Detail::Said(_) => "Auf Englisch, wie es ist: {}",
        Detail::TopicsRefused => "Er lässt dieses Gerät seine eigenen Topics nicht lesen.",
        Detail::NothingStored(_) => "{} Es wird nichts unterschrieben, bis der Agent neu gestartet ist.",
        Detail::NotProved { .. } => "Dass die Ablesung {} von {} abgerechnet ist, ist nicht bewiesen, wohl aber {}.",
        Detail::ReceiptUnreadable(_) => {
            "Der Beleg von {} war nicht mehr lesbar. Einer, der noch einmal kam, liegt an seiner Stelle, und keine \
             Summe wurde geändert."
        }
        Detail::ReadingUnreadable(_) => "Die Ablesung {} ist im Zustand nicht mehr lesbar, und wird nicht gesendet.",
        Detail::EntriesDropped(_) => "Einträge, die unlesbar waren und wegfielen: {}.",
        Detail::DatabaseLost(_) => {
            "{} war verloren, zurückgesetzt oder am Ende abgerissen. Die letzte Unterschrift lag gesondert; Belege \
             und Summen von vorher fehlen vielleicht."
        }
        Detail::TwoTruths(_) => "Von {} war vorher ein anderer Eintrag abgerechnet, mit anderen Zahlen.",
        Detail::OtherHistory(..) => "Block {} ist ein anderer in dem Hauptbuch, das diese gesehen haben: {}.",
        Detail::NotWitnessed(..) => "Zu Block {}: {}",
        Detail::ReceiptsRefused(_) => {
            "Belege, die schon vorher abgelehnt wurden: {}; sie werden als Beweis aufbewahrt."
        }
        Detail::Refused(..) => "Er nennt das {} und sagt: {}",
        Detail::OtherReading(_) => "Er sagt: {}",
        Detail::OtherLength(..) => "Erwartet waren Intervalle von {} Minuten, gefunden welche von {} Minuten.",
        Detail::NotUnderstood { .. } => "Was nicht zu verstehen war: {}",
        Detail::RegistrationDiffers(..) => "Hier: {}. Beschlossen und bewiesen: {}.",
        Detail::Clock(ClockFault::NotSet(_)) => "Sie wurde nie gestellt: Sie zeigt {}.",
        Detail::Clock(ClockFault::NotEnded { .. }) => {
            "Der Markt fragt nach {}, das nach der Uhr dieses Rechners erst in {} s endet: Eine der beiden Uhren \
             geht falsch."
        }
        Detail::Clock(ClockFault::JumpedBack(_)) => "Sie ist um {} s zurückgesprungen.",
    }
}

fn fault(fault: &ReceiptFault) -> &'static str {
    match fault {
        ReceiptFault::Malformed(_) => "Es ist kein Beleg: {}.",
        ReceiptFault::TooLarge { .. } => "Ein Beleg hat höchstens {} Bytes, dieser hatte {}.",
        ReceiptFault::NotProved(_) => "Die Validatoren haben ihn nicht bestätigt: {}.",
        ReceiptFault::OtherCommunity { .. } => "Er ist aus einer anderen Gemeinschaft.",
        ReceiptFault::OtherMember { .. } => "Er ist von einem anderen Mitglied, {}.",
        ReceiptFault::OtherLength { .. } => "Sein Intervall ist anders lang als die der Gemeinschaft.",
        ReceiptFault::Contradiction(_) => {
            "Von {} war vorher ein anderer Eintrag abgerechnet, mit anderen Zahlen: Die Validatoren haben zwei \
             Wahrheiten bestätigt."
        }
        ReceiptFault::EnergyBalance { .. } => {
            "Im Intervall ab {} rechnet er {} ab, wo dieser Zähler {} unterschrieben hat."
        }
        ReceiptFault::BoughtAboveDeficit { .. } => "Von Nachbarn gekauft: {}, wo höchstens {} bezogen wurden.",
        ReceiptFault::SoldAboveSurplus { .. } => "An Nachbarn verkauft: {}, wo höchstens {} eingespeist wurden.",
        ReceiptFault::AboveCap { .. } => "Mit Nachbarn gehandelt: {}, wo Ihre eigene Grenze {} ist.",
        ReceiptFault::WrongAmount { .. } => "Ein Betrag von {} für {} folgt nicht aus Energie und Preis: Das wären {}.",
        ReceiptFault::PaidAboveLimit { .. } => "Bezahlt: {} für {}, wo Ihre eigene Grenze {} je kWh ist.",
        ReceiptFault::EarnedBelowLimit { .. } => "Verdient: {} für {}, wo Sie mindestens {} je kWh wollten.",
        ReceiptFault::NeighboursDoNotAddUp { .. } => "Seine Nachbarn ergeben zusammen {}, laut Beleg sind es {}.",
        ReceiptFault::OutOfRange => "Seine Beträge liegen außerhalb jedes Bereichs.",
    }
}
