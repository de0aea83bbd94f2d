//! German.

use super::Words;

pub(super) static WORDS: Words = Words {
    title: "Abrechnung für {month}",
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
    date: |date| format!("{:02}.{:02}.{:04}", date.day(), date.month(), date.year()),
    decimal_point: ",",
    group: ".",

    to: "An",
    from: "Von",
    vat_id: "USt-IdNr.",
    tax_number: "Steuernummer",
    number: "Abrechnungsnummer",
    issued: "Ausgestellt am",
    due: "Fällig am",
    member: "Mitglied",
    period: "Zeitraum",
    period_is: "{first} bis {after} ({zone})",

    total: "Summe",
    nothing_to_pay: "Nichts zu zahlen",
    paid_to_member: "Wird Ihnen ausgezahlt",
    paid_by_member: "Von Ihnen zu zahlen",
    exactly: "Genau {amount}, einmal gerundet; Rest {remainder}.",
    paid_out: "Wird am {day} auf Ihr Konto {iban} überwiesen.",
    collected: "Wird am {day} per SEPA-Lastschrift von Ihrem Konto {iban} eingezogen; Mandat {mandate}, \
                Gläubiger-Identifikationsnummer {creditor}.",

    bought: "Von Nachbarn gekauft",
    sold: "An Nachbarn verkauft",
    drawn: "Vom Versorger bezogen",
    fed_in: "An den Versorger geliefert",

    network: "Das Netz, das nicht Teil dieser Abrechnung ist",
    network_discount: "Für {kwh} von Nachbarn kostet das Netz {amount} weniger. Ihr Netzbetreiber zieht das von seiner eigenen \
                       Rechnung ab; es wurde genau summiert und einmal gerundet.",

    transfers: "Überträge, die nicht Teil dieser Abrechnung sind",
    block: "Block",
    with: "Mit",
    what_for: "Wofür",
    supplier: "dem Versorger",
    operator: "dem Netzbetreiber",

    day_by_day: "Tag für Tag",
    day: "Tag",
    bought_short: "Gekauft",
    sold_short: "Verkauft",
    drawn_short: "Bezogen",
    fed_in_short: "Geliefert",
    figures_mean: "Energie in kWh: von Nachbarn gekauft und an sie verkauft, vom Versorger bezogen und an ihn geliefert. Beträge \
                   mit einem Minus haben Sie zu zahlen.",

    late: "Von der Energie des Versorgers kamen {drawn} Bezug und {fed_in} Lieferung verspätet: Sie flossen in früheren \
           Intervallen, vielleicht des Vormonats.",
    late_unknown: "Intervalle, von denen nicht mehr bekannt ist, was verspätet kam: {count}.",
    corrected: "Korrigierte Intervalle, jedes einmal abgerechnet, wie zuletzt korrigiert: {count}.",
    provisional: "Vorläufige Intervalle, in denen Werte fehlen oder zweifelhaft sind und die korrigiert werden können: {count}.",

    check: "So prüfen Sie diese Abrechnung",
    check_lines: "Die Datei {file} hat eine Zeile für jedes Intervall; zusammen ergeben sie diese Abrechnung. Jede Zeile steht auf \
                  der Kette {chain}, in den Blöcken {first} bis {last}, gelesen bis Block {read_to}. Ein Beleg beweist eine. \
                  Ihr Zähler-Agent hat alle Ihre Belege und schreibt sie heraus, während er angehalten ist:",
    check_at_validator: "Wer einen Validator betreibt, entnimmt einen Beleg seinem Hauptbuch:",
};
